"""Commands that a person can type, one class each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from channels.terminal.argument_changes import ArgumentChanges


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
