"""Durations in the file, such as `90s`, `5m`, `2h` and `7d`, parsed to whole seconds."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

_DURATION_PATTERN = re.compile(r"([1-9][0-9]{0,8})([smhd])", re.ASCII)
_SECONDS_BY_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MAX_DAYS = 366  # a year: more than any useful duration, and far below the overflow of dates


def parse_duration(text: str) -> int:
    """Parse a duration to seconds. Raises ValueError with examples."""
    parts = _DURATION_PATTERN.fullmatch(text)
    if parts is None:
        raise ValueError(f'must be a duration like "90s", "5m", "2h" or "7d" (found "{text[:40]}")')
    total = int(parts[1]) * _SECONDS_BY_UNIT[parts[2]]
    if total > _MAX_DAYS * _SECONDS_BY_UNIT["d"]:
        raise ValueError(f'must be at most "{_MAX_DAYS}d" (found "{text}")')
    return total


def _validate_duration(value: Any) -> int:
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError('must be a duration in quotes, like "90s", "5m", "2h" or "7d"')


Duration = Annotated[int, BeforeValidator(_validate_duration)]
"""Seconds, parsed from text with a unit."""
