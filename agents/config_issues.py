"""Mistakes in files that people write: where, which key, and what to write instead."""

import re
from collections.abc import Iterable
from typing import Literal

from agents.errors import ConfigurationError
from agents.frozen import FrozenModel
from agents.toml_lines import KeyPath

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class ConfigIssue(FrozenModel):
    """One thing to put right. `file` is None for the environment, `line` (from 1) when no line is to blame.

    An error keeps Handrail from starting; a warning does not.
    """

    file: str | None = None
    line: int | None = None
    key: str = ""
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


def to_configuration_error(issues: Iterable[ConfigIssue]) -> ConfigurationError:
    """Return the error that says all of them, a line each, and carries them as `details`."""
    found = list(issues)
    return ConfigurationError("\n".join(map(str, found)), details=found)


def format_key_path(path: KeyPath) -> str:
    """Return the path of a key as people read it: `policy[0].when.environment`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE_KEY.fullmatch(part) else f'"{part}"')
    return text
