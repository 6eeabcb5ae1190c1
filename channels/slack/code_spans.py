"""Where Markdown has code: the fences around its lines, and the runs of backticks in one line."""

import re
from dataclasses import dataclass

from channels.slack.text_splitter import Fence, fence_after

_PIECE = re.compile(r"`+|[^\s`<>|]+|[\s<>|]+")


@dataclass
class Fences:
    """The open code block, in two readings: all of CommonMark, and one that knows no tildes and ends with a list."""

    full: Fence | None = None
    strict: Fence | None = None

    def is_open(self, line: str) -> bool:
        """Return whether a line that is not at its end yet belongs to the code block in both readings."""
        return self.full is not None and self._goes_on(line)

    def take(self, line: str) -> bool:
        """Go on behind a whole line; return whether it belongs to a code block in both readings."""
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
    """A line in pieces: runs of backticks, words, and what is between them. For each piece what follows it.

    `closers` has the next run as long, where there is one: one at the end of an open line may still grow.
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
        """Return whether this piece is there, and a run of backticks."""
        return 0 <= at < len(self.pieces) and self.pieces[at][0] == "`"

    def is_escaped(self, at: int) -> bool:
        return at > 0 and self.pieces[at - 1].endswith("\\")

    def has_cells(self, at: int) -> bool:
        """Return whether the span that begins here has what would end a cell of a table."""
        cell, closer = self.next_cells[at], self.closers[at]
        return cell is not None and closer is not None and cell < closer

    def lengths(self, at: int) -> set[int]:
        """Return how long a run of backticks may count: a backslash may take one away."""
        length = len(self.pieces[at])
        return {length, length - 1} if self.is_escaped(at) else {length}


def may_become_fence(line: str) -> bool:
    """Return whether a line that is not at its end yet may turn out to open a code block."""
    text = line.lstrip(" \t")
    if text[:1] not in ("`", "~"):
        return False
    rest = text.lstrip(text[0])
    return not rest or (text.startswith(("```", "~~~")) and (text[0] == "~" or "`" not in rest))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))
