"""Reads the reply out of an answer that is still being written.

What it tells is certain: should the answer end as a reply, that reply begins with it. This holds because `parse_step`
takes no key twice, and `extract_object` no other object beside it, so a string has its meaning as soon as its key and
the intent beside it are known. Whatever could still turn out to be something else is not told.
"""

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import TypeVar

from agents.answer_object import BLANKS, CLOSING_TAGS, FENCE, OPENING_TAGS
from agents.steps import DoneForNow, Step

T = TypeVar("T")
Reading = Generator[None, str, T]
"""Is sent one character after the other, until it has read what it is about."""

_REPLY = "done_for_now"
_LONGEST_MARK = max(map(len, (*OPENING_TAGS, *CLOSING_TAGS)))
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Draft:
    """One reply as far as it is written; `told` is what was last said of it. Work grows with the answer's length alone.

    `wrapped` answers may have thoughts, prose or a fence around them, which `extract_object` will take off.
    """

    def __init__(self, *, wrapped: bool) -> None:
        self.told = ""
        self._message = ""
        self._grown: list[str] = []
        self._is_reply = False
        self._reading = self._read_answer(wrapped=wrapped)
        next(self._reading)

    def read(self, piece: str) -> str | None:
        """The reply so far when this piece of the answer lengthens it, else None. It is never blank."""
        for character in piece:
            self._reading.send(character)
        self._message += "".join(self._grown)
        self._grown.clear()
        if not self._is_reply or self._message in ("", self.told) or self._message.isspace():
            return None
        self.told = self._message
        return self.told

    def fits(self, step: Step) -> bool:
        """Whether a step may end what was told: a reply that begins so, and any step when nothing was told."""
        return not self.told or (isinstance(step, DoneForNow) and step.message.startswith(self.told))

    def _read_answer(self, *, wrapped: bool) -> Reading[None]:
        with suppress(_Doubt, ValueError):
            yield from _find_answer() if wrapped else _open_answer()
            yield from _members(self._member_of_answer, '"')
        while True:  # the rest changes nothing
            yield

    def _member_of_answer(self, key: str, first: str) -> Reading[None]:
        if key == "step" and first == "{":
            yield from _members(self._member_of_step)
        else:
            yield from _skipped(first)

    def _member_of_step(self, key: str, first: str) -> Reading[None]:
        if key == "intent" and first == '"':
            yield from self._intent()
        elif key == "message" and first == '"':
            yield from _string(self._grown.append)
        else:
            yield from _skipped(first)

    def _intent(self) -> Reading[None]:
        if (yield from _text()) != _REPLY:
            raise _Doubt
        self._is_reply = True


class _Doubt(Exception):
    """This answer is no reply, or nobody can tell yet."""


def _open_answer() -> Reading[None]:
    """Read up to the first quote of an answer that begins the text."""
    if (yield from _after_blanks()) != "{" or (yield from _after_blanks()) != '"':
        raise _Doubt


def _find_answer() -> Reading[None]:
    """Read up to the first quote of the object that `extract_object` will find, where that is certain by then."""
    while True:
        prose = _Prose((yield from _after_blanks(BLANKS)))
        while not prose.is_thought:
            if prose.is_object:
                return
            if prose.is_fenced:
                yield from _open_fenced()
                return
            if prose.opening_tag:
                yield from _skip_thoughts(prose.opening_tag)
                break
            prose.add((yield))


class _Prose:
    """The text before an answer, as far as it is read. Raises _Doubt where nothing is certain any more."""

    def __init__(self, first: str) -> None:
        self._tail = first
        self._count = 1
        self._brace_at = 1 if first == "{" else 0
        self.is_object = False

    def add(self, character: str) -> None:
        self._tail = (self._tail + character)[-_LONGEST_MARK:]
        self._count += 1
        if character == "{":
            self._brace_at = self._count
        elif character == '"' and self._brace_at:
            self.is_object = self._brace_at == 1
            if not self.is_object:
                raise _Doubt
        elif character not in " \t\r\n":
            self._brace_at = 0

    @property
    def is_thought(self) -> bool:
        """Whether thoughts without a beginning end here."""
        return self._tail.endswith(CLOSING_TAGS)

    @property
    def is_fenced(self) -> bool:
        return self._tail.endswith(FENCE)

    @property
    def opening_tag(self) -> str:
        """The tag that begins the text, else nothing."""
        tag = next(filter(self._tail.endswith, OPENING_TAGS), "")
        if len(tag) not in (0, self._count):
            raise _Doubt
        return tag


def _skip_thoughts(tag: str) -> Reading[None]:
    closing, tail = f"</{tag[1:]}", ""
    while tail != closing:
        tail = (tail + (yield))[-len(closing) :]


def _open_fenced() -> Reading[None]:
    """Read up to the first quote of the first object behind a fence."""
    character = ""
    while True:
        while character != "{":
            character = yield
        if (character := (yield from _after_blanks(" \t\r\n"))) == '"':
            return


def _members(member: Callable[[str, str], Reading[None]], mark: str = "") -> Reading[None]:
    """An object, its first brace read: `member` is given each key and the first character of the value it has to read.

    `mark` is the first quote where that was read as well. Numbers and names need no reading, their first character
    says all that matters here.
    """
    mark = mark or (yield from _one_of('"}'))
    while mark == '"':
        key = yield from _text()
        yield from _one_of(":")
        yield from member(key, (yield from _after_blanks()))
        mark = yield from _one_of('"}')


def _skipped(first: str) -> Reading[None]:
    """A value of any kind and depth."""
    depth, character = 0, first
    while True:
        if character == '"':
            yield from _string(_ignore)
        depth += (character in "{[") - (character in "}]")
        if depth <= 0:
            return
        character = yield


def _text() -> Reading[str]:
    characters: list[str] = []
    yield from _string(characters.append)
    return "".join(characters)


def _string(grow: Callable[[str], None]) -> Reading[None]:
    """A string, its first quote read, one whole character at a time."""
    while (character := (yield)) != '"':
        grow((yield from _escaped()) if character == "\\" else character)


def _escaped() -> Reading[str]:
    """What a backslash stands for (RFC 8259 §7). Raises _Doubt or ValueError for half a pair, which nobody can keep."""
    character = yield
    if character != "u":
        return _ESCAPES.get(character, "")
    digits = yield from _taken(4)
    if "d8" <= digits[:2].lower() <= "db":
        if (yield from _taken(2)) != "\\u":
            raise _Doubt
        digits += yield from _taken(4)
    return bytes.fromhex(digits).decode("utf-16-be")


def _taken(count: int) -> Reading[str]:
    characters = ""
    while len(characters) < count:
        characters += yield
    return characters


def _after_blanks(blanks: str = "") -> Reading[str]:
    """The first character that is none of these blanks, or no blank at all."""
    while True:
        character = yield
        if not (character in blanks if blanks else character.isspace()):
            return character


def _one_of(marks: str) -> Reading[str]:
    while (character := (yield)) not in marks:
        pass
    return character


def _ignore(_character: str) -> None:
    pass
