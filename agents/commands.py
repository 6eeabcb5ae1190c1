"""Commands: an agent's patterns from text to steps (`commands.toml`), understood without any model."""

import re
import tomllib
from functools import lru_cache
from typing import Any, Self

from pydantic import Field

from agents.errors import Misconfigured
from agents.frozen import Frozen

_SLOT = re.compile(r"\{(\w+)(?::(int))?\}")
_POLITE = re.compile(r"^(?:(?:please|could you|can you|hey|hi)[\s,]+)+|[\s.!?]+$", re.IGNORECASE)


class Command(Frozen):
    """One thing that can be said, and the step it means.

    `say` holds patterns such as `deploy {tag} to {environment}` or `list {limit:int} commits`; a slot takes one word.
    `step` is written like a model's step, with slots. `reply` words the result: `{summary}` is the tool's own.
    `answered` is the command that a person's `{answer}` completes when the step is a question.
    """

    say: tuple[str, ...] = Field(min_length=1)
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
                    for (name, kind), value in zip(_SLOT.findall(pattern), found.groups(), strict=True)
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

    @classmethod
    def parse(cls, toml: str) -> Self:
        """Read a commands.toml. Raises Misconfigured with the place of the mistake."""
        try:
            return cls.model_validate(tomllib.loads(toml))
        except (ValueError, RecursionError) as error:  # the errors of TOML and of pydantic are ValueErrors
            raise Misconfigured(f"commands.toml: {error}") from error

    def match(self, text: str) -> Match | None:
        said = plain(text)
        for command in self.commands:
            if (values := command.values(said)) is not None:
                return Match(command=command, values=values)
        return None


def plain(text: str) -> str:
    """The text without politeness, closing punctuation and repeated spaces."""
    return _POLITE.sub("", " ".join(text.split()))


def filled(template: Any, values: dict[str, Any]) -> Any:
    """The template with its slots filled; a template that is one slot alone keeps the value's type."""
    if not isinstance(template, str):
        return template
    if (alone := _SLOT.fullmatch(template)) and alone[1] in values:
        return values[alone[1]]
    return _SLOT.sub(lambda slot: str(values.get(slot[1], slot[0])), template)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = _SLOT.split(pattern)
    literal = [r"\s+".join(re.escape(word) for word in re.split(r"\s+", part)) for part in parts[::3]]
    slots = [r"(\d{1,15})" if kind else r"(\S+)" for kind in parts[2::3]]  # 15 digits are exact in JSON
    pieces = [piece for pair in zip(literal, [*slots, ""], strict=True) for piece in pair]
    return re.compile("".join(pieces), re.IGNORECASE)


def _typed(value: str, kind: str) -> Any:
    return int(value) if kind else value
