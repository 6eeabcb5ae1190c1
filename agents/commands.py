"""Commands: an agent's patterns from text to steps (`commands.toml`), understood without any model."""

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, PrivateAttr, ValidationError

from agents.errors import Misconfigured
from agents.frozen import Frozen
from agents.mistakes import Mistake, misconfigured, written_key
from agents.toml_document import read_document
from agents.toml_lines import KeyPath, line_of

SLOT = re.compile(r"\{(\w+)(?::(int))?\}")
_POLITE = re.compile(r"(?:please|could you|can you|hey|hi)[ ,]+", re.IGNORECASE)
_CLOSING_PUNCTUATION = " .!?"
MAX_COMMAND_LENGTH = 500
"""Characters of a message that is still compared with the commands; a longer one is prose."""


def _with_slots_apart(pattern: str) -> str:
    if "}{" in pattern:
        raise ValueError(f"{pattern!r}: put a space or a word between two slots")
    return pattern


class Command(Frozen):
    """One thing that can be said, and the step it means.

    `say` holds patterns such as `deploy {tag} to {environment}` or `list {limit:int} commits`; a slot takes one word.
    `step` is written like a model's step, with slots. `reply` words the result: `{summary}` is the tool's own.
    `answered` is the command that a person's `{answer}` completes when the step is a question.
    """

    say: Annotated[tuple[Annotated[str, AfterValidator(_with_slots_apart)], ...], Field(min_length=1)]
    does: str
    step: dict[str, Any]
    reply: str = "{summary}"
    answered: str | None = None

    def values(self, text: str) -> dict[str, Any] | None:
        """The values of the slots when the text says this command, else None."""
        for pattern in self.say:
            if found := _compiled(pattern).fullmatch(text):
                return {
                    name: _typed(value, kind)
                    for (name, kind), value in zip(SLOT.findall(pattern), found.groups(), strict=True)
                }
        return None


class Match(Frozen):
    """A command together with what was said in its slots."""

    command: Command
    values: dict[str, Any]

    @property
    def step(self) -> dict[str, Any]:
        """The step in the form a model writes it: `intent` and the step's own fields."""
        return {name: filled(value, self.values) for name, value in self.command.step.items()}


class Commands(Frozen):
    """All commands of one agent, in order: the first that matches is meant."""

    commands: tuple[Command, ...] = ()

    _file: str | None = PrivateAttr(default=None)
    _lines: Mapping[KeyPath, int] = PrivateAttr(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the commands.toml of an agent. Raises Misconfigured with file, line and key of every mistake."""
        document = read_document(path)
        try:
            commands = cls.model_validate(document.tables)
        except ValidationError as error:
            found = [(details["loc"], details["msg"]) for details in error.errors(include_url=False)]
        else:
            return commands._read_from(str(path), document.lines)  # noqa: SLF001 - of this very class
        raise misconfigured(
            Mistake(file=str(path), line=line_of(loc, document.lines), key=written_key(loc), message=message)
            for loc, message in found
        )

    def _read_from(self, file: str, lines: Mapping[KeyPath, int]) -> Self:
        self._file, self._lines = file, lines
        return self

    def mistake(self, key: KeyPath, message: str) -> Mistake:
        """Return a mistake at a key of the file they were read from."""
        line = line_of(key, self._lines) if self._lines else None
        return Mistake(file=self._file or "commands.toml", line=line, key=written_key(key), message=message)

    @classmethod
    def parse(cls, toml: str) -> Self:
        """Read a commands.toml. Raises Misconfigured with the place of the mistake."""
        try:
            return cls.model_validate(tomllib.loads(toml))
        except (ValueError, RecursionError) as error:  # the errors of TOML and of pydantic are ValueErrors
            raise Misconfigured(f"commands.toml: {error}") from error

    def match(self, text: str) -> Match | None:
        """Return the first command that the text says; None for a text above MAX_COMMAND_LENGTH."""
        said = plain(text)
        if len(said) > MAX_COMMAND_LENGTH:
            return None
        for command in self.commands:
            if (values := command.values(said)) is not None:
                return Match(command=command, values=values)
        return None


def plain(text: str) -> str:
    """Return the text without politeness, closing punctuation and repeated spaces, in linear time."""
    said = " ".join(text.split())
    start = 0
    while polite := _POLITE.match(said, start):
        start = polite.end()
    return said[start:].rstrip(_CLOSING_PUNCTUATION)


def filled(template: Any, values: dict[str, Any]) -> Any:
    """The template with its slots filled; a template that is one slot alone keeps the value's type."""
    if not isinstance(template, str):
        return template
    if (alone := SLOT.fullmatch(template)) and alone[1] in values:
        return values[alone[1]]
    return SLOT.sub(lambda slot: str(values.get(slot[1], slot[0])), template)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = SLOT.split(" ".join(pattern.split()))
    literal = [re.escape(part) for part in parts[::3]]
    slots = [_slot(kind, following) for kind, following in zip(parts[2::3], parts[3::3], strict=True)]
    pieces = [piece for pair in zip(literal, [*slots, ""], strict=True) for piece in pair]
    return re.compile("".join(pieces), re.IGNORECASE)


def _slot(kind: str | None, following: str) -> str:
    """Return the expression of a slot, which ends where the text after it begins, so that no two repeats overlap."""
    if kind:
        return r"(\d{1,15})"  # 15 digits are exact in JSON
    return rf"([^\s{re.escape(following[:1].strip())}]+)"


def _typed(value: str, kind: str) -> Any:
    return int(value) if kind else value
