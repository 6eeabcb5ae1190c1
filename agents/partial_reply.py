"""Reads the reply out of an answer that is still being written.

What it tells is certain: should the answer end as a reply, that reply begins with it. This holds because `parse_step`
takes no key twice, and `extract_object` no other object beside it, so a string has its meaning as soon as its key and
the intent beside it are known. Whatever could still turn out to be something else is not told.
"""

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import TypeVar

from agents.answer_object import CLOSING_TAGS, CODE_FENCE, OPENING_TAGS, WHITESPACE
from agents.steps import DoneForNow, Step

T = TypeVar("T")
Parser = Generator[None, str, T]
"""Is sent one character after the other, until it has read what it is about."""

_REPLY_INTENT = "done_for_now"
_MAX_TAG_LENGTH = max(map(len, (*OPENING_TAGS, *CLOSING_TAGS)))
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class PartialReplyReader:
    """One reply as far as it is written; `told` is what was last said of it. Work grows with the answer's length alone.

    `wrapped` answers may have thoughts, prose or a fence around them, which `extract_object` will take off.
    """

    def __init__(self, *, may_be_wrapped: bool) -> None:
        self.emitted = ""
        self._message = ""
        self._has_grown: list[str] = []
        self._is_reply = False
        self._parser = self._read_answer(may_be_wrapped=may_be_wrapped)
        next(self._parser)

    def feed(self, chunk: str) -> str | None:
        """The reply so far when this piece of the answer lengthens it, else None. It is never blank."""
        for character in chunk:
            self._parser.send(character)
        self._message += "".join(self._has_grown)
        self._has_grown.clear()
        if not self._is_reply or self._message in ("", self.emitted) or self._message.isspace():
            return None
        self.emitted = self._message
        return self.emitted

    def matches(self, step: Step) -> bool:
        """Whether a step may end what was told: a reply that begins so, and any step when nothing was told."""
        return not self.emitted or (isinstance(step, DoneForNow) and step.message.startswith(self.emitted))

    def _read_answer(self, *, may_be_wrapped: bool) -> Parser[None]:
        with suppress(_NotPredictable, ValueError):
            yield from _find_answer() if may_be_wrapped else _open_answer()
            yield from _read_members(self._read_answer_member, '"')
        while True:  # the rest changes nothing
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
            yield from _read_string(self._has_grown.append)
        else:
            yield from _skip_value(first)

    def _read_intent(self) -> Parser[None]:
        if (yield from _read_text()) != _REPLY_INTENT:
            raise _NotPredictable
        self._is_reply = True


class _NotPredictable(Exception):
    """This answer is no reply, or nobody can tell yet."""


def _open_answer() -> Parser[None]:
    """Read up to the first quote of an answer that begins the text."""
    if (yield from _skip_whitespace()) != "{" or (yield from _skip_whitespace()) != '"':
        raise _NotPredictable


def _find_answer() -> Parser[None]:
    """Read up to the first quote of the object that `extract_object` will find, where that is certain by then."""
    while True:
        prose = _LeadingText((yield from _skip_whitespace(WHITESPACE)))
        while not prose.is_thought:
            if prose.is_object:
                return
            if prose.is_fenced:
                yield from _open_fenced_answer()
                return
            if prose.opening_tag:
                yield from _skip_thoughts_until_end(prose.opening_tag)
                break
            prose.add((yield))


class _LeadingText:
    """The text before an answer, as far as it is read. Raises _Doubt where nothing is certain any more."""

    def __init__(self, first: str) -> None:
        self._tail = first
        self._count = 1
        self._brace_at = 1 if first == "{" else 0
        self.is_object = False

    def add(self, character: str) -> None:
        self._tail = (self._tail + character)[-_MAX_TAG_LENGTH:]
        self._count += 1
        if character == "{":
            self._brace_at = self._count
        elif character == '"' and self._brace_at:
            self.is_object = self._brace_at == 1
            if not self.is_object:
                raise _NotPredictable
        elif character not in " \t\r\n":
            self._brace_at = 0

    @property
    def is_thought(self) -> bool:
        """Whether thoughts without a beginning end here."""
        return self._tail.endswith(CLOSING_TAGS)

    @property
    def is_fenced(self) -> bool:
        return self._tail.endswith(CODE_FENCE)

    @property
    def opening_tag(self) -> str:
        """The tag that begins the text, else nothing."""
        tag = next(filter(self._tail.endswith, OPENING_TAGS), "")
        if len(tag) not in (0, self._count):
            raise _NotPredictable
        return tag


def _skip_thoughts_until_end(tag: str) -> Parser[None]:
    closing, tail = f"</{tag[1:]}", ""
    while tail != closing:
        tail = (tail + (yield))[-len(closing) :]


def _open_fenced_answer() -> Parser[None]:
    """Read up to the first quote of the first object behind a fence."""
    character = ""
    while True:
        while character != "{":
            character = yield
        if (character := (yield from _skip_whitespace(" \t\r\n"))) == '"':
            return


def _read_members(read_member: Callable[[str, str], Parser[None]], first: str = "") -> Parser[None]:
    """An object, its first brace read: `member` is given each key and the first character of the value it has to read.

    `mark` is the first quote where that was read as well. Numbers and names need no reading, their first character
    says all that matters here.
    """
    first = first or (yield from _expect_one_of('"}'))
    while first == '"':
        key = yield from _read_text()
        yield from _expect_one_of(":")
        yield from read_member(key, (yield from _skip_whitespace()))
        first = yield from _expect_one_of('"}')


def _skip_value(first: str) -> Parser[None]:
    """A value of any kind and depth."""
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
    """A string, its first quote read, one whole character at a time."""
    while (character := (yield)) != '"':
        on_character((yield from _read_escape()) if character == "\\" else character)


def _read_escape() -> Parser[str]:
    """What a backslash stands for (RFC 8259 §7). Raises _Doubt or ValueError for half a pair, which nobody can keep."""
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
    """The first character that is none of these blanks, or no blank at all."""
    while True:
        character = yield
        if not (character in whitespace if whitespace else character.isspace()):
            return character


def _expect_one_of(expected: str) -> Parser[str]:
    while (character := (yield)) not in expected:
        pass
    return character


def _ignore(_character: str) -> None:
    pass
