"""Mistakes in configuration files: the file, the line, the key, and what to write instead."""

import re
from collections.abc import Iterable
from typing import Literal

from agents.errors import ConfigurationError
from agents.frozen import FrozenModel
from agents.toml_lines import KeyPath

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class ConfigIssue(FrozenModel):
    """A mistake to correct. `file` is None for environment variables; `line` (from 1) is None when it is not one line.

    An error prevents Handrail from starting; a warning does not.
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
    """Return one error with a line for each mistake; `details` holds the mistakes."""
    details = list(issues)
    return ConfigurationError("\n".join(map(str, details)), details=details)


def format_key_path(path: KeyPath) -> str:
    """Return the path of a key in TOML notation: `policy[0].when.environment`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE_KEY.fullmatch(part) else f'"{part}"')
    return text
