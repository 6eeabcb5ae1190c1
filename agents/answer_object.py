"""Find the one JSON object in the text of a model that was free to write anything around it.

Servers that do not enforce a schema put a byte order mark, thoughts, prose or a fence around the object. The rules are
those of `agents.partial_reply`, which reads the same text while it is written. Work is linear in its length.
"""

import json
import re
from collections.abc import Iterator

from agents.errors import InvalidInput

WHITESPACE = " \t\r\n\ufeff"
OPENING_TAGS = ("<think>", "<thinking>")
CLOSING_TAGS = ("</think>", "</thinking>")
CODE_FENCE = "```"
MAX_FAILED_STARTS = 16
"""Objects that begin and do not end well are passed over so often, so that braces in prose cost no quadratic time."""

MAX_THOUGHTS = 16
"""Thoughts without a beginning are cut off so often, for the same reason."""

_CONFLICTING_OBJECTS = "the answer holds several objects with different steps; write exactly one"
_TAGS = (*OPENING_TAGS, *CLOSING_TAGS)
_OBJECT_START = re.compile(r'\{[ \t\r\n]*"')
_MARKER = re.compile("|".join(map(re.escape, (*_TAGS, CODE_FENCE))))
_DECODER = json.JSONDecoder()


def extract_object(text: str) -> str:
    """Return the object with a step as it is written in the text, else the text without blanks and thoughts.

    Raises Invalid when there are several that differ.
    """
    rest = _skip_leading_thoughts(text)
    for _ in range(MAX_THOUGHTS):
        if _OBJECT_START.match(rest) is not None:
            return _extract_leading_object(rest)
        thoughts_end, found = _find_objects(rest)
        if thoughts_end is None:
            return _choose_object(found) or rest
        rest = _skip_leading_thoughts(rest[thoughts_end:])
    return rest


def _skip_leading_thoughts(text: str) -> str:
    """Return what follows the thoughts; nothing when they have no end."""
    position = _skip_whitespace(text, 0)
    while (tag := next((tag for tag in OPENING_TAGS if text.startswith(tag, position)), None)) is not None:
        closing = text.find(_closing_tag(tag), position)
        position = len(text) if closing < 0 else _skip_whitespace(text, closing + len(_closing_tag(tag)))
    return text[position:].rstrip(WHITESPACE)


def _extract_leading_object(text: str) -> str:
    """Return the object that begins the text; the whole text when it has no end or another one contradicts it."""
    end = _find_end_of_object(text, 0)
    if end is None:
        return text
    others = [text[begin:until] for begin, until in _iterate_object_spans(text, end) if until is not None]
    return _choose_object([text[:end], *others]) or text[:end]


def _find_objects(text: str) -> tuple[int | None, list[str]]:
    """Return where thoughts without a beginning end, None when there are none, and the objects outside of them.

    Behind a fence there are no thoughts, and the first object that begins must be whole.
    """
    found: list[str] = []
    position, is_fenced = 0, False
    for start, end in (*_iterate_object_spans(text, 0), (len(text), None)):
        mark, at = ("", 0) if is_fenced else _find_marker(text, position, start)
        if mark in _TAGS:
            return _find_end_of_thoughts(text, mark, at), []
        is_fenced = is_fenced or mark == CODE_FENCE
        if end is not None:
            found.append(text[start:end])
        elif is_fenced and not found and start < len(text):
            return None, []
        position = start + 1 if end is None else end
    return None, found


def _find_marker(text: str, begin: int, end: int) -> tuple[str, int]:
    mark = _MARKER.search(text, begin, end)
    return ("", end) if mark is None else (mark[0], mark.start())


def _find_end_of_thoughts(text: str, marker: str, at: int) -> int:
    """Return the place behind the thoughts that this tag begins or ends."""
    if marker in CLOSING_TAGS:
        return at + len(marker)
    closing = text.find(_closing_tag(marker), at)
    return len(text) if closing < 0 else closing + len(_closing_tag(marker))


def _iterate_object_spans(text: str, position: int) -> Iterator[tuple[int, int | None]]:
    """Yield begin and end of the objects that lie side by side; the end is None for one that does not end well."""
    failed = 0
    while failed < MAX_FAILED_STARTS and (start := _OBJECT_START.search(text, position)) is not None:
        end = _find_end_of_object(text, start.start())
        yield start.start(), end
        failed += end is None
        position = start.start() + 1 if end is None else end


def _find_end_of_object(text: str, start: int) -> int | None:
    try:
        return _DECODER.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return None


def _choose_object(candidates: list[str]) -> str | None:
    """Return the object with a step, None when there is none. Raises Invalid when there are several that differ."""
    objects = [(written, _DECODER.decode(written)) for written in candidates]
    stepped = [(written, value) for written, value in objects if "step" in value]
    if any(value != stepped[0][1] for _, value in stepped[1:]):
        raise InvalidInput(_CONFLICTING_OBJECTS)
    return stepped[0][0] if stepped else None


def _skip_whitespace(text: str, position: int) -> int:
    while position < len(text) and text[position] in WHITESPACE:
        position += 1
    return position


def _closing_tag(tag: str) -> str:
    return f"</{tag[1:]}"
