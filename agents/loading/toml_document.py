"""Reader of TOML files: handrail.toml and an agent's `commands.toml`. Mistakes are reported with file and line.

tomllib returns values without positions. The lines of the keys are found with it: a statement, a header or a key with
its value, ends at the first line where tomllib accepts it on its own. Inside a statement, the elements of its array
have their own lines; everything inside an element has the line of the element.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agents.core.commands import Commands
from agents.core.config_issues import ConfigIssue, KeyPath, find_line, format_key_path, to_configuration_error
from agents.core.errors import ConfigurationError

# A statement of several lines ends with the line that closes its array, inline table or multi-line string.
_CLOSING_LINE = re.compile(r"[\]}]|\"\"\"|'''")


def line_numbers(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, of each table, key and array element, by its path: `("policy", 0, "ask", "quorum")`."""
    lines: dict[KeyPath, int] = {}
    sizes: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for start, statement in _split_statements(text):
        if statement.lstrip().startswith("["):
            paths = _header_paths(tomllib.loads(statement), sizes)
            table = paths[-1]
            _record_line(lines, paths, start)
        else:
            for line, value in _split_array(statement, start):
                _record_line(lines, _iterate_paths(value, table), line)
    return lines


def _record_line(lines: dict[KeyPath, int], paths: Iterable[KeyPath], line: int) -> None:
    for path in paths:
        lines.setdefault(path, line)


def _split_statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the first line and the text of each statement, and of each empty line or comment before a statement."""
    statement, start = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        can_end = not statement or _CLOSING_LINE.search(line) is not None
        statement += line + "\n"
        if can_end and _parse(statement) is not None:
            yield start, statement
            statement, start = "", number + 1


def _split_array(statement: str, start: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the value of the statement up to each line that ends between two elements of its array, and at its end.

    The line of each is the one where its last element can have started.
    """
    lines = statement.split("\n")[:-1]
    begin = 0
    for end in range(1, len(lines)):
        value = _parse("\n".join([*lines[:end], "]"]))
        if value is not None:
            yield start + begin, value
            begin = end
        elif end == 1:
            break  # the value is no array, or its first element has several lines
    yield start + begin, tomllib.loads(statement)


def _parse(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _header_paths(header: dict[str, Any], sizes: dict[KeyPath, int]) -> list[KeyPath]:
    """Return the paths of the tables in a header; the last one is the table that it opens.

    `sizes` has the number of elements so far for each array of tables. It is updated.
    """
    path: KeyPath = ()
    paths: list[KeyPath] = []
    inner: Any = header
    while inner:
        key, inner = next(iter(inner.items()))
        path = (*path, key)
        paths.append(path)
        if isinstance(inner, list):
            sizes[path] = sizes.get(path, 0) + 1
            inner = None
        if path in sizes:
            path = (*path, sizes[path] - 1)
            paths.append(path)
    return paths


def _iterate_paths(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    """Yield the path of each key and element in the value at this path, outer ones first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield (*path, key)
        yield from _iterate_paths(part, (*path, key))


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


def load_commands(path: Path) -> Commands:
    """Read the commands.toml of an agent. Raises ConfigurationError with file, line and key of every mistake."""
    document = load_document(path)
    try:
        return Commands.model_validate(document.tables).with_source(str(path), document.lines)
    except ValidationError as error:
        mistakes = [(details["loc"], details["msg"]) for details in error.errors(include_url=False)]
    raise to_configuration_error(
        ConfigIssue(file=str(path), line=find_line(loc, document.lines), key=format_key_path(loc), message=message)
        for loc, message in mistakes
    )
