"""Values for the commands that can be typed, and for changes of arguments."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

_JSON_STARTS = ('"', "{", "[")


@dataclass(frozen=True)
class ArgumentChanges:
    """Arguments to change. `values` are JSON values; `bare_words` are unquoted and get the type of the old value."""

    values: Mapping[str, Any] = field(default_factory=dict)
    bare_words: Mapping[str, str] = field(default_factory=dict)

    def apply_to(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments with the changes applied."""
        words = {name: _coerce_word(word, arguments.get(name)) for name, word in self.bare_words.items()}
        return {**arguments, **self.values, **words}


def parse_changes(text: str) -> ArgumentChanges | None:
    """Return the changes in a text, or None when it has none or contains anything else."""
    if text.startswith("{"):
        values = _parse_json(text)
        return ArgumentChanges(values=values) if isinstance(values, dict) else None
    values, bare_words = {}, {}
    rest = text.strip()
    while rest:
        name, equals, rest = rest.partition("=")
        if not (equals and name) or any(character.isspace() for character in name):
            return None
        if rest.startswith(_JSON_STARTS):
            try:
                values[name], end = json.JSONDecoder().raw_decode(rest)
            except (ValueError, RecursionError):
                return None
            if rest[end:] and not rest[end].isspace():
                return None
            rest = rest[end:].lstrip()
        else:
            bare_words[name], rest = _split_first_word(rest)
    return ArgumentChanges(values, bare_words) if values or bare_words else None


def _split_first_word(text: str) -> tuple[str, str]:
    """Return the text up to the first whitespace, and the rest."""
    word, *rest = text.split(maxsplit=1) if text[:1].strip() else ("", text.strip())
    return word, rest[0] if rest else ""


def _coerce_word(word: str, previous_value: Any) -> Any:
    """Return a bare word as text when it replaces text, else as JSON if it is valid JSON."""
    if isinstance(previous_value, str):
        return word
    value = _parse_json(word)
    return word if value is None and word != "null" else value


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


@dataclass(frozen=True)
class Say:
    """Post a message to the agent."""

    text: str


@dataclass(frozen=True)
class Approve:
    """Approve the request with this code; None means the only open one."""

    code: str | None = None
    comment: str | None = None


@dataclass(frozen=True)
class Deny:
    """Deny the request with this code."""

    code: str
    comment: str | None = None


@dataclass(frozen=True)
class Edit:
    """Approve the request with some arguments changed."""

    code: str
    changes: ArgumentChanges


@dataclass(frozen=True)
class AnswerQuestion:
    """Answer the question with this code."""

    code: str
    text: str


@dataclass(frozen=True)
class ActAs:
    """Act as this person from now on."""

    person: str


@dataclass(frozen=True)
class ListThreads:
    """List threads."""


@dataclass(frozen=True)
class SwitchThread:
    """Switch to this thread."""

    thread_id: str


@dataclass(frozen=True)
class ListRequests:
    """List open requests; with `is_all` closed ones too."""

    is_all: bool = False


@dataclass(frozen=True)
class StartThread:
    """Start a new thread with the next message; `agent` None keeps the current agent."""

    agent: str | None = None


@dataclass(frozen=True)
class ControlThread:
    """Pause, resume or cancel the thread."""

    action: Literal["pause", "resume", "cancel"]


@dataclass(frozen=True)
class Simulate:
    """Post this body to the endpoint of a channel that simulates its devices, such as the phone of a person."""

    url_path: str
    body: Mapping[str, str]


@dataclass(frozen=True)
class ListAgents:
    """List agents."""


@dataclass(frozen=True)
class WhoAmI:
    """Show the owner of the token and the person for whom this terminal acts."""


@dataclass(frozen=True)
class ShowHelp:
    """List all commands."""


@dataclass(frozen=True)
class Quit:
    """Leave the chat. The thread continues."""


@dataclass(frozen=True)
class ParseError:
    """Invalid input. `hint` says what to type instead."""

    hint: str


TerminalCommand = (
    Say
    | Approve
    | Deny
    | Edit
    | AnswerQuestion
    | ActAs
    | ListThreads
    | SwitchThread
    | ListRequests
    | StartThread
    | ControlThread
    | Simulate
    | ListAgents
    | WhoAmI
    | ShowHelp
    | Quit
    | ParseError
)

AnswerCommand = Approve | Deny | Edit | AnswerQuestion
"""A command that answers a request."""


def answer_body(command: AnswerCommand, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the body of the API call for a command. `arguments` are those of the request, which an edit changes."""
    match command:
        case Approve(_, comment):
            return {"decision": "approve", "comment": comment}
        case Deny(_, comment):
            return {"decision": "deny", "comment": comment}
        case Edit(_, changes):
            return {"decision": "edit", "arguments": changes.apply_to(arguments or {})}
        case AnswerQuestion(_, text):
            return {"decision": "answer", "text": text}
