"""Splitting of long Markdown texts into parts that fit into Slack messages.

Code, which is in fenced blocks or between backticks in one line, is detected so that a part does not break it.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

MAX_MARKDOWN_BLOCK_LENGTH = 12_000
"""Characters of one `markdown` block of Slack (docs.slack.dev/reference/block-kit/blocks/markdown-block)."""

_FENCE = re.compile(r" {0,3}(?P<mark>`{3,40}|~{3,40})(?P<info>[^\n\r]{0,100})\s*", re.ASCII)
_MAX_CLOSING_LENGTH = len("\n") + 40
"""Characters of the longest closing fence that is added to a part; 40 is the limit in `_FENCE`."""

_HEADING = re.compile(r" {0,3}#{1,6}\s")
_NEWLINES = re.compile(r"(?<=\n)")


@dataclass(frozen=True)
class Part:
    """Part of the original text, and the code fences that had to be added around it."""

    text: str
    opening: str = ""
    closing: str = ""

    @property
    def posted_text(self) -> str:
        """The part with its added fences, as it is posted."""
        return self.opening + self.text + self.closing


@dataclass(frozen=True)
class Fence:
    """Opening fence of a fenced code block (CommonMark 0.31 §4.5): its backticks or tildes, and its whole line."""

    mark: str
    line: str

    @property
    def opening(self) -> str:
        """Text that reopens the code block at the beginning of a part."""
        return self.line.rstrip("\r\n") + "\n"

    @property
    def closing(self) -> str:
        """Text that closes the code block at the end of a part."""
        return "\n" + self.mark


@dataclass(frozen=True)
class _SplitPoint:
    """Beginning of a line: its priority as a place to split, and the fence of the code that the split interrupts."""

    offset: int
    priority: int
    fence: Fence | None


def split_markdown(text: str, max_length: int = MAX_MARKDOWN_BLOCK_LENGTH) -> tuple[Part, ...]:
    """Split the text before headings or paragraphs if possible, else between lines, else between words.

    Joining the `text` of all parts gives the text. `max_length` is in characters; it is at least 400, because added
    fences need some of them.
    """
    return tuple(_iter_parts(text, max_length))


def _iter_parts(text: str, max_length: int) -> Iterator[Part]:
    split_points = list(_iter_split_points(text))
    offsets = [point.offset for point in split_points]
    start, fence = 0, None
    while start < len(text):
        opening = fence.opening if fence else ""
        available = max_length - len(opening) - _MAX_CLOSING_LENGTH
        if len(text) - start <= max_length - len(opening):
            yield Part(text[start:], opening)
            return
        reachable = split_points[bisect_right(offsets, start) : bisect_right(offsets, start + available)]
        end, fence = _find_split(text, start, available, reachable, fence)
        yield Part(text[start:end], opening, fence.closing if fence else "")
        start = end


def _find_split(
    text: str, start: int, available: int, split_points: list[_SplitPoint], fence: Fence | None
) -> tuple[int, Fence | None]:
    """Return the end of a part, and the fence of the code block that is open there.

    The end is the best split point in the second half of the part, else the last split point, else the end of a word.
    """
    in_second_half = [point for point in split_points if point.offset > start + available // 2]
    if best := max(in_second_half, key=lambda point: (point.priority, point.offset), default=None):
        return best.offset, best.fence
    if split_points:
        return split_points[-1].offset, split_points[-1].fence
    space = text.rfind(" ", start + 1, start + available)
    return (space + 1 if space > start + available // 2 else start + available), fence


def _iter_split_points(text: str) -> Iterator[_SplitPoint]:
    """Yield a split point for the beginning of each line."""
    fence: Fence | None = None
    offset, is_after_blank_line = 0, False
    for line in _NEWLINES.split(text):
        yield _SplitPoint(offset, _split_priority(line, fence, is_after_blank_line=is_after_blank_line), fence)
        fence = fence_after(line, fence)
        offset, is_after_blank_line = offset + len(line), not line.strip()


def _split_priority(line: str, fence: Fence | None, *, is_after_blank_line: bool) -> int:
    """Return the priority of a split before this line: the highest for a heading, the lowest within fenced code."""
    if fence is not None:
        return 0
    return 3 if _HEADING.match(line) else 2 if is_after_blank_line else 1


def fence_after(line: str, fence: Fence | None) -> Fence | None:
    """Return the fence of the code block that is open after this line. `fence` is the one that is open before it."""
    match = _FENCE.fullmatch(line)
    if match is None:
        return fence
    mark, info = match["mark"], match["info"].strip()
    if fence is not None:
        is_closing = mark[0] == fence.mark[0] and len(mark) >= len(fence.mark) and not info
        return None if is_closing else fence
    return None if mark[0] == "`" and "`" in info else Fence(mark, line)


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
