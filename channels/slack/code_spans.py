"""Detection of code in Markdown: fenced code blocks, and runs of backticks within one line."""

import re
from dataclasses import dataclass

from channels.slack.text_splitter import Fence, fence_after

_PIECE = re.compile(r"`+|[^\s`<>|]+|[\s<>|]+")


@dataclass
class Fences:
    """Open code block as two parsers see it: one with all of CommonMark, and a strict one.

    In the strict reading tildes open no block, and a line that is indented less than the fence ends it (as a list item
    would). A line counts as code only if both agree.
    """

    full: Fence | None = None
    strict: Fence | None = None

    def is_open(self, line: str) -> bool:
        """Return whether a line that is still being written belongs to the code block in both readings."""
        return self.full is not None and self._goes_on(line)

    def take(self, line: str) -> bool:
        """Consume a complete line; return whether it belongs to a code block in both readings."""
        is_strict = self._goes_on(line)
        full, strict = self.full, self.strict if is_strict else None
        self.full, self.strict = fence_after(line, full), fence_after(line, strict)
        if self.strict is not None and self.strict.mark[0] == "~":
            self.strict = None
        return None not in (full or self.full, strict or self.strict)

    def _goes_on(self, line: str) -> bool:
        return self.strict is not None and (not line.strip() or _indent(line) >= _indent(self.strict.line))


@dataclass(frozen=True)
class Line:
    """Line split into pieces: runs of backticks, words, and separators, with indexes of what follows each piece.

    `closers` has the index of the next run of the same length, `next_runs` of the next run and `next_cells` of the next
    piece with a `|`. A run at the end of a line that is still being written is no closer: it may become longer.
    """

    pieces: list[str]
    is_open: bool
    closers: list[int | None]
    next_runs: list[int | None]
    next_cells: list[int | None]

    @classmethod
    def of(cls, text: str, *, is_open: bool) -> "Line":
        pieces = _PIECE.findall(text)
        none: list[int | None] = [None] * len(pieces)
        line = cls(pieces, is_open, none, none.copy(), none.copy())
        by_length = dict[int, int]()
        run: int | None = None
        cell: int | None = None
        for at in range(len(pieces) - 1, -1, -1):
            line.next_runs[at], line.next_cells[at] = run, cell
            if line.is_run(at) and not (is_open and at == len(pieces) - 1):
                line.closers[at] = by_length.get(len(pieces[at]))
                by_length[len(pieces[at])] = run = at
            cell = at if "|" in pieces[at] else cell
        return line

    def is_run(self, at: int) -> bool:
        """Return whether the index is valid and its piece is a run of backticks."""
        return 0 <= at < len(self.pieces) and self.pieces[at][0] == "`"

    def is_escaped(self, at: int) -> bool:
        return at > 0 and self.pieces[at - 1].endswith("\\")

    def has_cells(self, at: int) -> bool:
        """Return whether the code span that begins here contains a `|`, which would end a table cell."""
        cell, closer = self.next_cells[at], self.closers[at]
        return cell is not None and closer is not None and cell < closer

    def lengths(self, at: int) -> set[int]:
        """Return the possible lengths of a run of backticks: a backslash before it may escape the first one."""
        length = len(self.pieces[at])
        return {length, length - 1} if self.is_escaped(at) else {length}


def may_become_fence(line: str) -> bool:
    """Return whether a line that is still being written may turn out to open a code block."""
    text = line.lstrip(" \t")
    if text[:1] not in ("`", "~"):
        return False
    rest = text.lstrip(text[0])
    return not rest or (text.startswith(("```", "~~~")) and (text[0] == "~" or "`" not in rest))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))
