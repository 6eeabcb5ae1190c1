"""Commands of an agent (`commands.toml`): patterns that map texts to steps without a model."""

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, PrivateAttr

from agents.core.config_issues import ConfigIssue, KeyPath, find_line, format_key_path
from agents.core.errors import ConfigurationError
from agents.core.values import FrozenModel

# A placeholder in a pattern: `{name}` or `{name:int}`. The groups are the name and "int", else an empty text.
SLOT = re.compile(r"\{(\w+)(?::(int))?\}")
_POLITE_PREFIX = re.compile(r"(?:please|could you|can you|hey|hi)[ ,]+", re.IGNORECASE)
_CLOSING_PUNCTUATION = " .!?"
MAX_COMMAND_LENGTH = 500
"""Maximum length in characters of a message that is matched against the commands."""


def _require_separated_slots(pattern: str) -> str:
    if "}{" in pattern:
        raise ValueError(f"{pattern!r}: put a space or a word between two slots")
    return pattern


class Command(FrozenModel):
    """A command: the texts that it matches, and its step.

    `say` holds patterns such as `deploy {tag} to {environment}` or `list {limit:int} commits`; a slot matches one word.
    `does` is the help text. `step` has the form of a model's step, with slots. `reply` is the text of the reply after
    the tool has run; `{summary}` is the tool's summary. When the step is a question, `answered` is a text with
    `{answer}` for a person's answer: the filled-in text is matched as the next command.
    """

    say: Annotated[tuple[Annotated[str, AfterValidator(_require_separated_slots)], ...], Field(min_length=1)]
    does: str
    step: dict[str, Any]
    reply: str = "{summary}"
    answered: str | None = None

    @property
    def phrase_without_slots(self) -> str | None:
        """The first pattern without slots, which a person can send as it is; None if there is none."""
        return next((pattern for pattern in self.say if pattern.strip() and not SLOT.search(pattern)), None)

    def match_slots(self, text: str) -> dict[str, Any] | None:
        """Return the values of the slots when the text matches this command, else None."""
        for pattern in self.say:
            if match := _compile_pattern(pattern).fullmatch(text):
                return {
                    name: _convert_slot(value, kind)
                    for (name, kind), value in zip(SLOT.findall(pattern), match.groups(), strict=True)
                }
        return None


class CommandMatch(FrozenModel):
    """A command and the values of its slots."""

    command: Command
    values: dict[str, Any]

    @property
    def step(self) -> dict[str, Any]:
        """The step in the form of a model's output: `intent` and the fields of the step."""
        return {name: fill_slots(value, self.values) for name, value in self.command.step.items()}


class Commands(FrozenModel):
    """All commands of one agent. The first match wins."""

    commands: tuple[Command, ...] = ()

    _file: str | None = PrivateAttr(default=None)
    _lines: Mapping[KeyPath, int] = PrivateAttr(default_factory=dict)

    def with_source(self, file: str, lines: Mapping[KeyPath, int]) -> Self:
        """Return these commands with the file that they were read from, and the lines of its keys."""
        self._file, self._lines = file, lines
        return self

    def to_issue(self, key: KeyPath, message: str) -> ConfigIssue:
        """Return an issue for a mistake at a key of the file that these commands were read from."""
        line = find_line(key, self._lines) if self._lines else None
        return ConfigIssue(file=self._file or "commands.toml", line=line, key=format_key_path(key), message=message)

    @classmethod
    def parse(cls, toml: str) -> Self:
        """Parse the text of a commands.toml. Raises ConfigurationError with the place of the mistake."""
        try:
            return cls.model_validate(tomllib.loads(toml))
        except (ValueError, RecursionError) as error:  # errors of tomllib and pydantic are ValueErrors
            raise ConfigurationError(f"commands.toml: {error}") from error

    def match(self, text: str) -> CommandMatch | None:
        """Return the first command that matches the text; None without a match or above MAX_COMMAND_LENGTH."""
        normalized = normalize(text)
        if len(normalized) > MAX_COMMAND_LENGTH:
            return None
        for command in self.commands:
            if (values := command.match_slots(normalized)) is not None:
                return CommandMatch(command=command, values=values)
        return None


def normalize(text: str) -> str:
    """Return the text without polite prefixes, closing punctuation and repeated spaces, in linear time."""
    words = " ".join(text.split())
    start = 0
    while prefix := _POLITE_PREFIX.match(words, start):
        start = prefix.end()
    return words[start:].rstrip(_CLOSING_PUNCTUATION)


def fill_slots(template: Any, values: dict[str, Any]) -> Any:
    """Return the template with its slots filled; a template of exactly one slot keeps the type of the value."""
    if not isinstance(template, str):
        return template
    if (single := SLOT.fullmatch(template)) and single[1] in values:
        return values[single[1]]
    return SLOT.sub(lambda slot: str(values.get(slot[1], slot[0])), template)


@lru_cache(maxsize=1024)
def _compile_pattern(pattern: str) -> re.Pattern[str]:
    parts = SLOT.split(" ".join(pattern.split()))  # literal, name, kind, literal, name, kind, …, literal
    literals = [re.escape(part) for part in parts[::3]]
    slots = [_slot_pattern(kind, following) for kind, following in zip(parts[2::3], parts[3::3], strict=True)]
    pieces = [piece for pair in zip(literals, [*slots, ""], strict=True) for piece in pair]
    return re.compile("".join(pieces), re.IGNORECASE)


def _slot_pattern(kind: str | None, following: str) -> str:
    """Return the regular expression of a slot.

    It excludes the first character of the text after the slot, so matching takes linear time.
    """
    if kind:
        return r"(\d{1,15})"  # 15 digits are exact in JSON
    return rf"([^\s{re.escape(following[:1].strip())}]+)"


def _convert_slot(value: str, kind: str) -> Any:
    return int(value) if kind else value
