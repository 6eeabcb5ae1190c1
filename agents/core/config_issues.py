"""Mistakes in configuration files: the file, the line, the key, and what to write instead."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from agents.core.errors import ConfigurationError
from agents.core.values import FrozenModel

KeyPath = tuple[str | int, ...]


def find_line(path: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    """Return the line of a key, else of the closest table or array around it, else 1."""
    return next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), 1)


_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class ConfigIssue(FrozenModel):
    """A mistake to correct. `file` is None for environment variables and entry points.

    `line` counts from 1, and is None if the mistake is not in one line. An error prevents Handrail from starting; a
    warning does not.
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
