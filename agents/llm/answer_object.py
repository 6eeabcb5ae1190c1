"""Find the JSON object in a model's answer when the server does not enforce a schema, and the reply in a stream.

Such an answer can have a byte order mark, reasoning (`<think>` tags), prose or a code fence around the object.
The work is linear in the text's length.

The text that is emitted from a stream is always a prefix of the final reply, if the answer becomes a valid reply. This
holds because `parse_step` rejects duplicate keys and `extract_object` rejects a second object, so the meaning of a
string is known once its key and the intent are known. Ambiguous text is not emitted.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic_core import from_json

from agents.core.errors import InvalidInput
from agents.core.steps import DoneForNow, Step

WHITESPACE = " \t\r\n\ufeff"
OPENING_TAGS = ("<think>", "<thinking>")
CLOSING_TAGS = ("</think>", "</thinking>")
CODE_FENCE = "```"
MAX_FAILED_STARTS = 16
"""Maximum number of incomplete objects that are skipped, so that braces in prose do not make the search quadratic."""

MAX_REASONING_BLOCKS = 16
"""Maximum number of reasoning blocks without an opening tag that are removed, for the same reason."""

_CONFLICTING_OBJECTS = "the answer holds several objects with different steps; write exactly one"
_TAGS = (*OPENING_TAGS, *CLOSING_TAGS)
_OBJECT_START = re.compile(r'\{[ \t\r\n]*"')
_MARKER = re.compile("|".join(map(re.escape, (*_TAGS, CODE_FENCE))))
_MARKER_OR_OBJECT_START = re.compile(f"{_MARKER.pattern}|{_OBJECT_START.pattern}")
_DECODER = json.JSONDecoder()


def extract_object(text: str) -> str:
    """Return the source of the object that has a step, else the text without whitespace and reasoning around it.

    Raises InvalidInput when there are several such objects and they differ.
    """
    rest = _skip_leading_reasoning(text)
    for _ in range(MAX_REASONING_BLOCKS):
        if _OBJECT_START.match(rest) is not None:
            return _extract_leading_object(rest)
        reasoning_end, found = _find_objects(rest)
        if reasoning_end is None:
            return _choose_object(found) or rest
        rest = _skip_leading_reasoning(rest[reasoning_end:])
    return rest


def extract_partial_object(text: str) -> str:
    """Return the beginning of the object that `extract_object` will return for a text of which this is the beginning.

    Returns an empty text while it is undecided which object that is, and for an object after prose without a code
    fence.
    """
    rest = _skip_leading_reasoning(text)
    for _ in range(MAX_REASONING_BLOCKS):
        found = _MARKER_OR_OBJECT_START.search(rest)
        if found is not None and found[0] == CODE_FENCE:
            found = _OBJECT_START.search(rest, found.end())
            return "" if found is None else rest[found.start() : _find_end_of_object(rest, found.start())]
        if found is None or found[0] not in CLOSING_TAGS:
            is_leading_object = found is not None and not found.start() and found[0] not in OPENING_TAGS
            return rest[: _find_end_of_object(rest, 0)] if is_leading_object else ""
        rest = _skip_leading_reasoning(rest[found.end() :])
    return ""


def _skip_leading_reasoning(text: str) -> str:
    """Return the text after the reasoning at its start; empty when the reasoning has no closing tag."""
    position = _skip_whitespace(text, 0)
    while (tag := next((tag for tag in OPENING_TAGS if text.startswith(tag, position)), None)) is not None:
        closing = text.find(_closing_tag(tag), position)
        position = len(text) if closing < 0 else _skip_whitespace(text, closing + len(_closing_tag(tag)))
    return text[position:].rstrip(WHITESPACE)


def _extract_leading_object(text: str) -> str:
    """Return the object at the start of the text; the whole text when the object is incomplete.

    Raises InvalidInput when another object has a different step.
    """
    end = _find_end_of_object(text, 0)
    if end is None:
        return text
    others = [text[begin:stop] for begin, stop in _iterate_object_spans(text, end) if stop is not None]
    return _choose_object([text[:end], *others]) or text[:end]


def _find_objects(text: str) -> tuple[int | None, list[str]]:
    """Return the end position of reasoning inside the text (None when there is none) and the objects found.

    Text after a code fence contains no reasoning, and the first object after it must be complete.
    """
    found: list[str] = []
    position, is_after_fence = 0, False
    for start, end in (*_iterate_object_spans(text, 0), (len(text), None)):
        marker, at = ("", 0) if is_after_fence else _find_marker(text, position, start)
        if marker in _TAGS:
            return _find_end_of_reasoning(text, marker, at), []
        is_after_fence = is_after_fence or marker == CODE_FENCE
        if end is not None:
            found.append(text[start:end])
        elif is_after_fence and not found and start < len(text):
            return None, []
        position = start + 1 if end is None else end
    return None, found


def _find_marker(text: str, begin: int, end: int) -> tuple[str, int]:
    marker = _MARKER.search(text, begin, end)
    return ("", end) if marker is None else (marker[0], marker.start())


def _find_end_of_reasoning(text: str, marker: str, at: int) -> int:
    """Return the position after the reasoning that this tag opens or closes."""
    if marker in CLOSING_TAGS:
        return at + len(marker)
    closing = text.find(_closing_tag(marker), at)
    return len(text) if closing < 0 else closing + len(_closing_tag(marker))


def _iterate_object_spans(text: str, position: int) -> Iterator[tuple[int, int | None]]:
    """Yield start and end of each outermost object; the end is None for an incomplete or invalid object."""
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
    """Return the object with a step, None when there is none. Raises InvalidInput when several of them differ."""
    objects = [(source, _DECODER.decode(source)) for source in candidates]
    with_step = [(source, value) for source, value in objects if "step" in value]
    if any(value != with_step[0][1] for _, value in with_step[1:]):
        raise InvalidInput(_CONFLICTING_OBJECTS)
    return with_step[0][0] if with_step else None


def _skip_whitespace(text: str, position: int) -> int:
    while position < len(text) and text[position] in WHITESPACE:
        position += 1
    return position


def _closing_tag(tag: str) -> str:
    return f"</{tag[1:]}"


MIN_GROWTH = 1 / 256
"""Part of the answer that must be new before it is parsed again, so that the work stays linear in its length.

An answer of up to 256 characters is parsed after each character; a usual chunk of four characters, up to 1,024.
"""

_REPLY_INTENT = "done_for_now"


class PartialReplyReader:
    """Reader of one reply; `emitted` is the text that `feed` returned last.

    `may_be_wrapped` allows reasoning, prose or a code fence around the answer, as `extract_object` does.
    """

    def __init__(self, *, may_be_wrapped: bool) -> None:
        self.emitted = ""
        self._may_be_wrapped = may_be_wrapped
        self._chunks: list[str] = []
        self._length = 0
        self._parsed_length = 0

    def feed(self, chunk: str) -> str | None:
        """Add a chunk of the answer; return the reply so far if it became longer, else None.

        A returned text is never blank. A chunk below MIN_GROWTH of the answer is read with the next one.
        """
        self._chunks.append(chunk)
        self._length += len(chunk)
        if self._length - self._parsed_length < self._length * MIN_GROWTH:
            return None
        self._parsed_length = self._length
        self._chunks = ["".join(self._chunks)]
        message = self._read_message(self._chunks[0])
        if message.isspace() or message == self.emitted or not message.startswith(self.emitted):
            return None
        self.emitted = message
        return message

    def matches(self, step: Step) -> bool:
        """Return whether the final step is a reply that begins with the emitted text, or nothing was emitted."""
        return not self.emitted or (isinstance(step, DoneForNow) and step.message.startswith(self.emitted))

    def _read_message(self, text: str) -> str:
        """Return the message of the reply so far; empty when this is no reply, or not known to be one."""
        answer = extract_partial_object(text) if self._may_be_wrapped else text
        if _read_step(answer, allow_partial=True).get("intent") != _REPLY_INTENT:  # leaves out an incomplete intent
            return ""
        message = _read_step(answer, allow_partial="trailing-strings").get("message")
        return message if isinstance(message, str) else ""


def _read_step(answer: str, *, allow_partial: Literal[True, "trailing-strings"]) -> dict[str, Any]:
    """Return the fields of the step so far; none when the text is not the beginning of an answer.

    Lone surrogates are errors too: the databases cannot store them.
    """
    try:
        value = from_json(answer, allow_partial=allow_partial)
    except ValueError:
        return {}
    step = value.get("step") if isinstance(value, dict) else None
    return step if isinstance(step, dict) else {}
