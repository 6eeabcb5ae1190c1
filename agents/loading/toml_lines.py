"""Line numbers of the keys in a TOML text, found with tomllib, which returns values without positions.

The text must be one that tomllib accepts. A statement, a header or a key with its value, ends at the first line where
tomllib accepts it on its own. Inside a statement, the elements of its array have their own lines; everything inside an
element has the line of the element.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any

from agents.core.config_issues import KeyPath

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
