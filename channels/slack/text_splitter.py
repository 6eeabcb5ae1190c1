"""Splitting of long Markdown texts into parts that fit into Slack messages."""

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
