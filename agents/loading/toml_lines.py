"""Line numbers of the keys in a TOML text; tomllib returns values without positions.

The text must be one that tomllib accepts: this reader only follows the structure of keys, tables and arrays.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

from agents.core.config_issues import KeyPath

# Strings come first, so that their content is not read as structure. A multi-line string may end in up to five quotes,
# of which the last three close it (TOML 1.0, "String").
_TOKENS = re.compile(
    r'''
    (?P<string> """(?:[^\\]|\\.)*?""""{0,2} | \'\'\'.*?\'\'\'\'{0,2} | "(?:[^"\\\n]|\\.)*" | \'[^\'\n]*\' )
  | (?P<comment> \#[^\n]* )
  | (?P<newline> \n )
  | (?P<mark> [\[\]{}=,.] )
  | (?P<bare> [^\s"'\#\[\]{}=,.]+ )
    ''',
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int


_END = _Token("end", "", 0)


def line_numbers(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, of each table, key and array element, by its path: `("policy", 0, "ask", "quorum")`."""
    return _LineReader(text).read_document()


class _LineReader:
    """Reader of one text that records the line where each path first appears."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokenize(text)
        self._next = next(self._tokens, _END)
        self._lines: dict[KeyPath, int] = {}
        self._sizes: dict[KeyPath, int] = {}  # number of elements read, by array of tables

    def read_document(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._next is not _END:
            if self._next.kind == "newline":
                self._take()
            elif self._next.text == "[":
                table = self._read_header()
            else:
                self._read_pair(table)
        return self._lines

    def _read_header(self) -> KeyPath:
        line = self._take().line
        is_array = self._take_mark("[")
        path = self._enter_table(self._read_key(), is_array, line)
        while self._next is not _END and self._next.kind != "newline":
            self._take()
        return path

    def _enter_table(self, keys: KeyPath, is_array: bool, line: int) -> KeyPath:
        path: KeyPath = ()
        for key in keys[:-1]:
            self._record_line((*path, key), line)
            path = self._resolve_latest((*path, key))
        path = (*path, keys[-1])
        self._record_line(path, line)
        if is_array:
            self._sizes[path] = self._sizes.get(path, 0) + 1
        path = self._resolve_latest(path)
        self._record_line(path, line)
        return path

    def _resolve_latest(self, path: KeyPath) -> KeyPath:
        return (*path, self._sizes[path] - 1) if path in self._sizes else path

    def _read_pair(self, table: KeyPath) -> None:
        line = self._next.line
        path = table
        for key in self._read_key():
            path = (*path, key)
            self._record_line(path, line)
        self._take_mark("=")
        self._read_value(path)

    def _read_key(self) -> KeyPath:
        parts = [_unquote_key(self._take())]
        while self._take_mark("."):
            parts.append(_unquote_key(self._take()))
        return tuple(parts)

    def _read_value(self, path: KeyPath) -> None:
        if self._take_mark("["):
            self._read_array(path)
        elif self._take_mark("{"):
            self._read_inline_table(path)
        else:
            self._skip_scalar()

    def _read_array(self, path: KeyPath) -> None:
        index = 0
        self._skip_newlines()
        while not self._take_closing("]"):
            self._record_line((*path, index), self._next.line)
            self._read_value((*path, index))
            index += 1
            self._skip_separators()

    def _read_inline_table(self, path: KeyPath) -> None:
        self._skip_newlines()
        while not self._take_closing("}"):
            self._read_pair(path)
            self._skip_separators()

    def _skip_scalar(self) -> None:
        self._take()
        while self._next.kind in ("string", "bare") or self._next.text == ".":
            self._take()

    def _take_closing(self, mark: str) -> bool:
        return self._next is _END or self._take_mark(mark)

    def _skip_separators(self) -> None:
        self._skip_newlines()
        self._take_mark(",")
        self._skip_newlines()

    def _skip_newlines(self) -> None:
        while self._next.kind == "newline":
            self._take()

    def _take(self) -> _Token:
        token, self._next = self._next, next(self._tokens, _END)
        return token

    def _take_mark(self, mark: str) -> bool:
        is_next = self._next.kind == "mark" and self._next.text == mark
        if is_next:
            self._take()
        return is_next

    def _record_line(self, path: KeyPath, line: int) -> None:
        self._lines.setdefault(path, line)


def _tokenize(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKENS.finditer(text):
        kind = match.lastgroup or ""
        if kind != "comment":
            yield _Token(kind, match[0], line)
        line += match[0].count("\n")


def _unquote_key(token: _Token) -> str:
    """Return a key without its quotes; tomllib decodes the escapes."""
    if token.kind != "string":
        return token.text
    value: str = tomllib.loads(f"key = {token.text}")["key"]
    return value
