"""Detection of code in Markdown: fenced code blocks, and runs of backticks within one line."""

import re
from dataclasses import dataclass

from channels.slack.text_splitter import Fence, fence_after

_PIECE = re.compile(r"`+|[^\s`<>|]+|[\s<>|]+")


@dataclass
class Fences:
    """Code block that is open after the lines read so far, as two parsers see it. None means that no block is open.

    `full` follows all of CommonMark. `strict` opens no block for tildes, and closes a block before a line that is
    indented less than its fence, as the end of a list item would. A line counts as code only if both agree.
    """

    full: Fence | None = None
    strict: Fence | None = None

    def is_in_fence(self, line: str) -> bool:
        """Return whether a line that is still being written belongs to a code block for both parsers."""
        return self.full is not None and self._continues_strict_block(line)

    def consume(self, line: str) -> bool:
        """Read a complete line and return whether it belongs to a code block for both parsers."""
        full, strict = self.full, self.strict if self._continues_strict_block(line) else None
        self.full, self.strict = fence_after(line, full), fence_after(line, strict)
        if self.strict is not None and self.strict.mark[0] == "~":
            self.strict = None
        return None not in (full or self.full, strict or self.strict)

    def _continues_strict_block(self, line: str) -> bool:
        return self.strict is not None and (not line.strip() or _indent(line) >= _indent(self.strict.line))


@dataclass(frozen=True)
class Line:
    """Line split into pieces: runs of backticks, words, and separators. `may_continue` means it is still being written.

    The other lists have one entry per piece, the index of a later piece or None: `closers` of the next run of the same
    length, `next_runs` of the next run, and `next_pipes` of the next piece with a `|`. A run at the end of a line that
    may continue is not a closer, because it may become longer.
    """

    pieces: list[str]
    may_continue: bool
    closers: list[int | None]
    next_runs: list[int | None]
    next_pipes: list[int | None]

    @classmethod
    def split(cls, text: str, *, may_continue: bool) -> "Line":
        """Split a line without its line break."""
        pieces = _PIECE.findall(text)
        none: list[int | None] = [None] * len(pieces)
        line = cls(pieces, may_continue, none, none.copy(), none.copy())
        by_length = dict[int, int]()
        run: int | None = None
        pipe: int | None = None
        for index in range(len(pieces) - 1, -1, -1):
            line.next_runs[index], line.next_pipes[index] = run, pipe
            if line.is_backtick_run(index) and not (may_continue and index == len(pieces) - 1):
                line.closers[index] = by_length.get(len(pieces[index]))
                by_length[len(pieces[index])] = run = index
            pipe = index if "|" in pieces[index] else pipe
        return line

    def is_backtick_run(self, index: int) -> bool:
        """Return whether the index is valid and its piece is a run of backticks."""
        return 0 <= index < len(self.pieces) and self.pieces[index][0] == "`"

    def is_escaped(self, index: int) -> bool:
        return index > 0 and self.pieces[index - 1].endswith("\\")

    def has_pipe_in_span(self, index: int) -> bool:
        """Return whether the code span that begins at this index contains a `|`, which would end a table cell."""
        pipe, closer = self.next_pipes[index], self.closers[index]
        return pipe is not None and closer is not None and pipe < closer

    def possible_lengths(self, index: int) -> set[int]:
        """Return the possible lengths of the run of backticks: a backslash before it may escape its first backtick."""
        length = len(self.pieces[index])
        return {length, length - 1} if self.is_escaped(index) else {length}


def may_become_fence(line: str) -> bool:
    """Return whether a line that is still being written may turn out to open a code block."""
    text = line.lstrip(" \t")
    if text[:1] not in ("`", "~"):
        return False
    rest = text.lstrip(text[0])
    return not rest or (text.startswith(("```", "~~~")) and (text[0] == "~" or "`" not in rest))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))
