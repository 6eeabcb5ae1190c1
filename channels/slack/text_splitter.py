"""A long answer in parts, each no longer than a message of Slack takes."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

MAX_BLOCK_LENGTH = 12_000
"""Characters of one `markdown` block (docs.slack.dev/reference/block-kit/blocks/markdown-block)."""

_FENCE = re.compile(r" {0,3}(?P<mark>`{3,40}|~{3,40})(?P<info>[^\n\r]{0,100})\s*", re.ASCII)
_HEADING = re.compile(r" {0,3}#{1,6}\s")
_NEWLINES = re.compile(r"(?<=\n)")


@dataclass(frozen=True)
class Part:
    """A piece of the text as it was, and the code fences that had to be added around it."""

    text: str
    opening: str = ""
    closing: str = ""

    @property
    def posted_text(self) -> str:
        """The piece as it is posted."""
        return self.opening + self.text + self.closing


@dataclass(frozen=True)
class Fence:
    """An open code block, by how it was opened (CommonMark 0.31 §4.5)."""

    mark: str
    line: str

    @property
    def opening(self) -> str:
        return self.line.rstrip("\r\n") + "\n"

    @property
    def closing(self) -> str:
        return "\n" + self.mark


@dataclass(frozen=True)
class _SplitPoint:
    """Where a line begins: how good it is to cut here, and the code block it would cut through."""

    offset: int
    priority: int
    fence: Fence | None


def split_markdown(text: str, max_length: int = MAX_BLOCK_LENGTH) -> tuple[Part, ...]:
    """The text in parts; their texts joined are the text again. Cuts between blocks, else lines, else words.

    `longest` must leave room for fences: at least 400.
    """
    return tuple(_iter_parts(text, max_length))


def _iter_parts(text: str, max_length: int) -> Iterator[Part]:
    borders = list(_iter_split_points(text))
    places = [border.offset for border in borders]
    start, fence = 0, None
    while start < len(text):
        opening = fence.opening if fence else ""
        room = max_length - len(opening) - _MAX_CLOSING_LENGTH
        if len(text) - start <= max_length - len(opening):
            yield Part(text[start:], opening)
            return
        known = borders[bisect_right(places, start) : bisect_right(places, start + room)]
        end, fence = _find_split(text, start, room, known, fence)
        yield Part(text[start:end], opening, fence.closing if fence else "")
        start = end


_MAX_CLOSING_LENGTH = 41


def _find_split(
    text: str, start: int, available: int, split_points: list[_SplitPoint], fence: Fence | None
) -> tuple[int, Fence | None]:
    """Where a part ends: the best border of its later half, else the last one there is, else a word."""
    late = [border for border in split_points if border.offset > start + available // 2]
    if best := max(late, key=lambda border: (border.priority, border.offset), default=None):
        return best.offset, best.fence
    if split_points:
        return split_points[-1].offset, split_points[-1].fence
    space = text.rfind(" ", start + 1, start + available)
    return (space + 1 if space > start + available // 2 else start + available), fence


def _iter_split_points(text: str) -> Iterator[_SplitPoint]:
    """Every place between two lines."""
    fence: Fence | None = None
    at, blank = 0, False
    for line in _NEWLINES.split(text):
        yield _SplitPoint(at, _split_priority(line, fence, is_after_blank=blank), fence)
        fence = fence_after(line, fence)
        at, blank = at + len(line), not line.strip()


def _split_priority(line: str, fence: Fence | None, *, is_after_blank: bool) -> int:
    """A code block is not cut if it can be helped; a heading is where a part likes to begin."""
    if fence is not None:
        return 0
    return 3 if _HEADING.match(line) else 2 if is_after_blank else 1


def fence_after(line: str, fence: Fence | None) -> Fence | None:
    """Return the code block that is open behind this line."""
    read = _FENCE.fullmatch(line)
    if read is None:
        return fence
    mark, info = read["mark"], read["info"].strip()
    if fence is not None:
        closes = mark[0] == fence.mark[0] and len(mark) >= len(fence.mark) and not info
        return None if closes else fence
    return None if mark[0] == "`" and "`" in info else Fence(mark, line)
