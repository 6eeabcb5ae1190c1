"""A TOML file that a person wrote: its bytes, its text, its tables; and the mistake when one of them is no good."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.errors import Misconfigured
from agents.mistakes import Mistake, misconfigured
from agents.toml_lines import KeyPath, lines_of

_LARGEST = 1024 * 1024


@dataclass(frozen=True)
class Document:
    """What a TOML file says, and the line of everything in it."""

    tables: Mapping[str, Any]
    lines: Mapping[KeyPath, int]


def read_document(path: Path, *, if_missing: str = "write it") -> Document:
    """Read one TOML file. Raises Misconfigured when it cannot be read or is not TOML; `if_missing` says what to do."""
    text = _text(path, if_missing)
    try:
        return Document(tables=tomllib.loads(text), lines=lines_of(text))
    except RecursionError:
        raise _unreadable(path, "is nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError is one; so is a number of more digits than Python reads
        raise _not_toml(path, str(error)) from None


def _text(path: Path, if_missing: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise _unreadable(path, f"does not exist; {if_missing}") from None
    except IsADirectoryError:
        raise _unreadable(path, "is a folder; name a file") from None
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from error
    if len(data) > _LARGEST:
        raise _unreadable(path, f"is larger than {_LARGEST // 1024} KiB, which no configuration needs")
    return _decoded(path, data)


def _decoded(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, "is not UTF-8; save it as UTF-8", line=data.count(b"\n", 0, error.start) + 1) from None


def _unreadable(path: Path, message: str, line: int | None = None) -> Misconfigured:
    return misconfigured([Mistake(file=str(path), line=line, message=message)])


def _not_toml(path: Path, told: str) -> Misconfigured:
    place = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", told, re.DOTALL)
    if place is None:
        return _unreadable(path, f"this is not TOML: {told}")
    message = f"this is not TOML: {place[1]}, column {place[3]}"
    return _unreadable(path, message, line=int(place[2]))
