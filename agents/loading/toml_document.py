"""Reader of TOML configuration files. Mistakes are reported with file and line."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.core.config_issues import ConfigIssue, KeyPath, to_configuration_error
from agents.core.errors import ConfigurationError
from agents.loading.toml_lines import line_numbers

_MAX_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class TomlDocument:
    """Tables of a TOML file, and the line of every key."""

    tables: Mapping[str, Any]
    lines: Mapping[KeyPath, int]


def load_document(path: Path, *, if_missing: str = "write it") -> TomlDocument:
    """Read a TOML file. Raises ConfigurationError when it is unreadable or invalid.

    `if_missing` is the advice in the error when the file does not exist.
    """
    text = _read_text(path, if_missing)
    try:
        return TomlDocument(tables=tomllib.loads(text), lines=line_numbers(text))
    except RecursionError:
        raise _file_error(path, "is nested too deeply; use fewer nested arrays and tables") from None
    except ValueError as error:  # TOMLDecodeError, or a number with too many digits for Python
        raise _syntax_error(path, str(error)) from None


def _read_text(path: Path, if_missing: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise _file_error(path, f"does not exist; {if_missing}") from None
    except IsADirectoryError:
        raise _file_error(path, "is a folder; name a file") from None
    except OSError as error:
        raise _file_error(path, f"cannot be read: {error.strerror}") from error
    if len(data) > _MAX_FILE_BYTES:
        raise _file_error(path, f"is larger than {_MAX_FILE_BYTES // 1024} KiB; check that it is the right file")
    return _decode(path, data)


def _decode(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _file_error(path, "is not UTF-8; save it as UTF-8", line=data.count(b"\n", 0, error.start) + 1) from None


def _file_error(path: Path, message: str, line: int | None = None) -> ConfigurationError:
    return to_configuration_error([ConfigIssue(file=str(path), line=line, message=message)])


def _syntax_error(path: Path, error_text: str) -> ConfigurationError:
    place = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", error_text, re.DOTALL)
    if place is None:
        return _file_error(path, f"this is not TOML: {error_text}")
    message = f"this is not TOML: {place[1]}, column {place[3]}"
    return _file_error(path, message, line=int(place[2]))
