"""A long answer in parts, each no longer than a message of Slack takes."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 12_000
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
    def shown(self) -> str:
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
class _Border:
    """Where a line begins: how good it is to cut here, and the code block it would cut through."""

    at: int
    worth: int
    fence: Fence | None


def split(text: str, longest: int = LONGEST) -> tuple[Part, ...]:
    """The text in parts; their texts joined are the text again. Cuts between blocks, else lines, else words.

    `longest` must leave room for fences: at least 400.
    """
    return tuple(_parts(text, longest))


def _parts(text: str, longest: int) -> Iterator[Part]:
    borders = list(_borders(text))
    places = [border.at for border in borders]
    start, fence = 0, None
    while start < len(text):
        opening = fence.opening if fence else ""
        room = longest - len(opening) - _MOST_CLOSING
        if len(text) - start <= longest - len(opening):
            yield Part(text[start:], opening)
            return
        known = borders[bisect_right(places, start) : bisect_right(places, start + room)]
        end, fence = _cut(text, start, room, known, fence)
        yield Part(text[start:end], opening, fence.closing if fence else "")
        start = end


_MOST_CLOSING = 41


def _cut(text: str, start: int, room: int, known: list[_Border], fence: Fence | None) -> tuple[int, Fence | None]:
    """Where a part ends: the best border of its later half, else the last one there is, else a word."""
    late = [border for border in known if border.at > start + room // 2]
    if best := max(late, key=lambda border: (border.worth, border.at), default=None):
        return best.at, best.fence
    if known:
        return known[-1].at, known[-1].fence
    space = text.rfind(" ", start + 1, start + room)
    return (space + 1 if space > start + room // 2 else start + room), fence


def _borders(text: str) -> Iterator[_Border]:
    """Every place between two lines."""
    fence: Fence | None = None
    at, blank = 0, False
    for line in _NEWLINES.split(text):
        yield _Border(at, _worth(line, fence, blank=blank), fence)
        fence = fence_after(line, fence)
        at, blank = at + len(line), not line.strip()


def _worth(line: str, fence: Fence | None, *, blank: bool) -> int:
    """A code block is not cut if it can be helped; a heading is where a part likes to begin."""
    if fence is not None:
        return 0
    return 3 if _HEADING.match(line) else 2 if blank else 1


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
