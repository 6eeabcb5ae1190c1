"""Incremental reader of the reply in an answer that is still being streamed.

The emitted text is always a prefix of the final reply, if the answer becomes a valid reply. This holds because
`parse_step` rejects duplicate keys and `extract_object` rejects a second object, so the meaning of a string is known
once its key and the intent are known. Ambiguous text is not emitted.
"""

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import TypeVar

from agents.core.steps import DoneForNow, Step
from agents.llm.answer_object import CLOSING_TAGS, CODE_FENCE, OPENING_TAGS, WHITESPACE

T = TypeVar("T")
Parser = Generator[None, str, T]
"""Generator that receives one character at a time until it has read its element."""

_REPLY_INTENT = "done_for_now"
_MAX_TAG_LENGTH = max(map(len, (*OPENING_TAGS, *CLOSING_TAGS)))
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class PartialReplyReader:
    """Reader of one reply; `emitted` is the text that `feed` returned last. The work is linear in the answer's length.

    `may_be_wrapped` allows reasoning, prose or a code fence around the answer, as `extract_object` does.
    """

    def __init__(self, *, may_be_wrapped: bool) -> None:
        self.emitted = ""
        self._message = ""
        self._new_characters: list[str] = []
        self._is_reply = False
        self._parser = self._read_answer(may_be_wrapped=may_be_wrapped)
        next(self._parser)

    def feed(self, chunk: str) -> str | None:
        """Add a chunk of the answer; return the reply so far if it became longer, else None.

        A returned text is never blank.
        """
        for character in chunk:
            self._parser.send(character)
        self._message += "".join(self._new_characters)
        self._new_characters.clear()
        if not self._is_reply or self._message in ("", self.emitted) or self._message.isspace():
            return None
        self.emitted = self._message
        return self.emitted

    def matches(self, step: Step) -> bool:
        """Return whether the final step is a reply that begins with the emitted text, or nothing was emitted."""
        return not self.emitted or (isinstance(step, DoneForNow) and step.message.startswith(self.emitted))

    def _read_answer(self, *, may_be_wrapped: bool) -> Parser[None]:
        with suppress(_NotPredictable, ValueError):
            yield from _find_answer() if may_be_wrapped else _open_answer()
            yield from _read_members(self._read_answer_member, '"')
        while True:  # ignore the rest
            yield

    def _read_answer_member(self, key: str, first: str) -> Parser[None]:
        if key == "step" and first == "{":
            yield from _read_members(self._read_step_member)
        else:
            yield from _skip_value(first)

    def _read_step_member(self, key: str, first: str) -> Parser[None]:
        if key == "intent" and first == '"':
            yield from self._read_intent()
        elif key == "message" and first == '"':
            yield from _read_string(self._new_characters.append)
        else:
            yield from _skip_value(first)

    def _read_intent(self) -> Parser[None]:
        if (yield from _read_text()) != _REPLY_INTENT:
            raise _NotPredictable
        self._is_reply = True


class _NotPredictable(Exception):
    """The answer is not a reply, or its reply cannot be determined before the end."""


def _open_answer() -> Parser[None]:
    """Read up to the first quote of an answer at the start of the text."""
    if (yield from _skip_whitespace()) != "{" or (yield from _skip_whitespace()) != '"':
        raise _NotPredictable


def _find_answer() -> Parser[None]:
    """Read up to the first quote of the object that `extract_object` will find; raise _NotPredictable in doubt."""
    while True:
        leading_text = _LeadingText((yield from _skip_whitespace(WHITESPACE)))
        while not leading_text.has_closing_tag:
            if leading_text.has_object_start:
                return
            if leading_text.has_code_fence:
                yield from _open_fenced_answer()
                return
            if leading_text.opening_tag:
                yield from _skip_reasoning(leading_text.opening_tag)
                break
            leading_text.add((yield))


class _LeadingText:
    """The text before an answer, read so far. Raises _NotPredictable when the answer cannot be determined.

    `has_object_start` means that the text is an opening brace and a quote, with or without whitespace between them.
    `_brace_position` is the position, from 1, of the last opening brace that only whitespace follows, else 0.
    """

    def __init__(self, first: str) -> None:
        self._tail = first
        self._count = 1
        self._brace_position = 1 if first == "{" else 0
        self.has_object_start = False

    def add(self, character: str) -> None:
        self._tail = (self._tail + character)[-_MAX_TAG_LENGTH:]
        self._count += 1
        if character == "{":
            self._brace_position = self._count
        elif character == '"' and self._brace_position:
            self.has_object_start = self._brace_position == 1
            if not self.has_object_start:
                raise _NotPredictable
        elif character not in " \t\r\n":
            self._brace_position = 0

    @property
    def has_closing_tag(self) -> bool:
        """Whether the text ends with a closing tag: it was reasoning without an opening tag."""
        return self._tail.endswith(CLOSING_TAGS)

    @property
    def has_code_fence(self) -> bool:
        """Whether the text ends with a code fence, so that the answer is the first object after it."""
        return self._tail.endswith(CODE_FENCE)

    @property
    def opening_tag(self) -> str:
        """The opening tag at the start of the text; empty when there is none."""
        tag = next(filter(self._tail.endswith, OPENING_TAGS), "")
        if len(tag) not in (0, self._count):
            raise _NotPredictable
        return tag


def _skip_reasoning(tag: str) -> Parser[None]:
    """Read up to the end of the tag that closes this opening tag."""
    closing, tail = f"</{tag[1:]}", ""
    while tail != closing:
        tail = (tail + (yield))[-len(closing) :]


def _open_fenced_answer() -> Parser[None]:
    """Read up to the first quote of the first object after a code fence."""
    character = ""
    while True:
        while character != "{":
            character = yield
        if (character := (yield from _skip_whitespace(" \t\r\n"))) == '"':
            return


def _read_members(read_member: Callable[[str, str], Parser[None]], first: str = "") -> Parser[None]:
    """Read an object after its opening brace. `read_member` gets each key and the first character of the value.

    `first` is the first quote when it was already read. Numbers and literals need no further reading.
    """
    first = first or (yield from _skip_to_one_of('"}'))
    while first == '"':
        key = yield from _read_text()
        yield from _skip_to_one_of(":")
        yield from read_member(key, (yield from _skip_whitespace()))
        first = yield from _skip_to_one_of('"}')


def _skip_value(first: str) -> Parser[None]:
    """Skip a value of any type and depth."""
    depth, character = 0, first
    while True:
        if character == '"':
            yield from _read_string(_ignore)
        depth += (character in "{[") - (character in "}]")
        if depth <= 0:
            return
        character = yield


def _read_text() -> Parser[str]:
    characters: list[str] = []
    yield from _read_string(characters.append)
    return "".join(characters)


def _read_string(on_character: Callable[[str], None]) -> Parser[None]:
    """Read a string after its opening quote and pass on one decoded character at a time."""
    while (character := (yield)) != '"':
        on_character((yield from _read_escape()) if character == "\\" else character)


def _read_escape() -> Parser[str]:
    """Return the character of an escape sequence (RFC 8259, section 7).

    Raises _NotPredictable or ValueError for a lone surrogate, which cannot be stored.
    """
    character = yield
    if character != "u":
        return _ESCAPES.get(character, "")
    digits = yield from _read_characters(4)
    if "d8" <= digits[:2].lower() <= "db":
        if (yield from _read_characters(2)) != "\\u":
            raise _NotPredictable
        digits += yield from _read_characters(4)
    return bytes.fromhex(digits).decode("utf-16-be")


def _read_characters(count: int) -> Parser[str]:
    characters = ""
    while len(characters) < count:
        characters += yield
    return characters


def _skip_whitespace(whitespace: str = "") -> Parser[str]:
    """Return the first character that is not one of these whitespace characters, by default any."""
    while True:
        character = yield
        if not (character in whitespace if whitespace else character.isspace()):
            return character


def _skip_to_one_of(expected: str) -> Parser[str]:
    while (character := (yield)) not in expected:
        pass
    return character


def _ignore(_character: str) -> None:
    pass
