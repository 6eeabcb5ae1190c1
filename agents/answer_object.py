"""Find the one JSON object in the text of a model that was free to write anything around it.

Servers that do not enforce a schema put a byte order mark, thoughts, prose or a fence around the object. The rules are
those of `agents.drafting`, which reads the same text while it is written. Work grows with the length of the text alone.
"""

import json
import re
from collections.abc import Iterator

from agents.errors import Invalid

BLANKS = " \t\r\n\ufeff"
OPENING_TAGS = ("<think>", "<thinking>")
CLOSING_TAGS = ("</think>", "</thinking>")
FENCE = "```"
MAX_FAILED_STARTS = 16
"""Objects that begin and do not end well are passed over so often, so that braces in prose cost no quadratic time."""

MAX_THOUGHTS = 16
"""Thoughts without a beginning are cut off so often, for the same reason."""

_SEVERAL = "the answer holds several objects with different steps; write exactly one"
_TAGS = (*OPENING_TAGS, *CLOSING_TAGS)
_START = re.compile(r'\{[ \t\r\n]*"')
_MARK = re.compile("|".join(map(re.escape, (*_TAGS, FENCE))))
_DECODER = json.JSONDecoder()


def extract_object(text: str) -> str:
    """Return the object with a step as it is written in the text, else the text without blanks and thoughts.

    Raises Invalid when there are several that differ.
    """
    rest = _without_leading_thoughts(text)
    for _ in range(MAX_THOUGHTS):
        if _START.match(rest) is not None:
            return _leading_object(rest)
        thoughts_end, found = _search(rest)
        if thoughts_end is None:
            return _agreed(found) or rest
        rest = _without_leading_thoughts(rest[thoughts_end:])
    return rest


def _without_leading_thoughts(text: str) -> str:
    """Return what follows the thoughts; nothing when they have no end."""
    position = _after_blanks(text, 0)
    while (tag := next((tag for tag in OPENING_TAGS if text.startswith(tag, position)), None)) is not None:
        closing = text.find(_closing(tag), position)
        position = len(text) if closing < 0 else _after_blanks(text, closing + len(_closing(tag)))
    return text[position:].rstrip(BLANKS)


def _leading_object(text: str) -> str:
    """Return the object that begins the text; the whole text when it has no end or another one contradicts it."""
    end = _end_of_object(text, 0)
    if end is None:
        return text
    others = [text[begin:until] for begin, until in _objects(text, end) if until is not None]
    return _agreed([text[:end], *others]) or text[:end]


def _search(text: str) -> tuple[int | None, list[str]]:
    """Return where thoughts without a beginning end, None when there are none, and the objects outside of them.

    Behind a fence there are no thoughts, and the first object that begins must be whole.
    """
    found: list[str] = []
    position, is_fenced = 0, False
    for start, end in (*_objects(text, 0), (len(text), None)):
        mark, at = ("", 0) if is_fenced else _first_mark(text, position, start)
        if mark in _TAGS:
            return _end_of_thoughts(text, mark, at), []
        is_fenced = is_fenced or mark == FENCE
        if end is not None:
            found.append(text[start:end])
        elif is_fenced and not found and start < len(text):
            return None, []
        position = start + 1 if end is None else end
    return None, found


def _first_mark(text: str, begin: int, end: int) -> tuple[str, int]:
    mark = _MARK.search(text, begin, end)
    return ("", end) if mark is None else (mark[0], mark.start())


def _end_of_thoughts(text: str, mark: str, at: int) -> int:
    """Return the place behind the thoughts that this tag begins or ends."""
    if mark in CLOSING_TAGS:
        return at + len(mark)
    closing = text.find(_closing(mark), at)
    return len(text) if closing < 0 else closing + len(_closing(mark))


def _objects(text: str, position: int) -> Iterator[tuple[int, int | None]]:
    """Yield begin and end of the objects that lie side by side; the end is None for one that does not end well."""
    failed = 0
    while failed < MAX_FAILED_STARTS and (start := _START.search(text, position)) is not None:
        end = _end_of_object(text, start.start())
        yield start.start(), end
        failed += end is None
        position = start.start() + 1 if end is None else end


def _end_of_object(text: str, start: int) -> int | None:
    try:
        return _DECODER.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return None


def _agreed(found: list[str]) -> str | None:
    """Return the object with a step, None when there is none. Raises Invalid when there are several that differ."""
    objects = [(written, _DECODER.decode(written)) for written in found]
    stepped = [(written, value) for written, value in objects if "step" in value]
    if any(value != stepped[0][1] for _, value in stepped[1:]):
        raise Invalid(_SEVERAL)
    return stepped[0][0] if stepped else None


def _after_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in BLANKS:
        position += 1
    return position


def _closing(tag: str) -> str:
    return f"</{tag[1:]}"
