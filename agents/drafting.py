"""Reads the reply out of an answer that is still being written.

What it tells is certain: should the answer end as a reply, that reply begins with it. This holds because `parse_step`
takes no key twice and nothing behind the answer's last brace, so a string has its meaning as soon as its key and the
intent beside it are known. Whatever could still turn out to be something else is not told.
"""

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import TypeVar

from agents.steps import DoneForNow, Step

T = TypeVar("T")
Reading = Generator[None, str, T]
"""Is sent one character after the other, until it has read what it is about."""

_REPLY = "done_for_now"
_FENCE = "```"
_BEFORE_THOUGHTS, _AFTER_THOUGHTS = "<think>", "</think>"
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Draft:
    """One reply as far as it is written; `told` is what was last said of it. Work grows with the answer's length alone.

    `wrapped` answers may have thoughts or a fence around them, which `unwrapped` will take off.
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
            yield from _up_to_the_answer(wrapped=wrapped)
            yield from _members(self._member_of_answer)
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


def _up_to_the_answer(*, wrapped: bool) -> Reading[None]:
    """Up to the brace that `parse_step` will begin with, after `unwrapped` where that is called."""
    first = yield from _after_blanks()
    if wrapped and first != "{":
        first = yield from _after_wrapping(first)
    if first != "{":
        raise _Doubt


def _after_wrapping(first: str) -> Reading[str]:
    """What follows the thoughts, or the fence; a backtick means that no thoughts without a beginning can follow."""
    seen = first
    while not seen.endswith(_AFTER_THOUGHTS):
        if seen.endswith("`") and not seen.startswith(_BEFORE_THOUGHTS):
            return (yield from _after_fence("`"))
        seen += yield
    first = yield from _after_blanks()
    return first if first == "{" else (yield from _after_fence(first))


def _after_fence(seen: str) -> Reading[str]:
    while not seen.endswith(_FENCE):
        seen += yield
    label = ""
    while (character := (yield)) != "{":
        label += character
    if label.removeprefix("json").strip():
        raise _Doubt
    return character


def _members(member: Callable[[str, str], Reading[None]]) -> Reading[None]:
    """An object, its first brace read: `member` is given each key and the first character of the value it has to read.

    Numbers and names need no reading, their first character says all that matters here.
    """
    while (yield from _one_of('"}')) == '"':
        key = yield from _text()
        yield from _one_of(":")
        yield from member(key, (yield from _after_blanks()))


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


def _after_blanks() -> Reading[str]:
    while (character := (yield)).isspace():
        pass
    return character


def _one_of(marks: str) -> Reading[str]:
    while (character := (yield)) not in marks:
        pass
    return character


def _ignore(_character: str) -> None:
    pass
