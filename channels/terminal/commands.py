"""Orders that can be typed, each as a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from channels.terminal.argument_changes import ArgumentChanges


@dataclass(frozen=True)
class Say:
    """Something to say to the agent."""

    text: str


@dataclass(frozen=True)
class Approve:
    """Approve the request with this code; None is the only one that is open."""

    code: str | None = None
    comment: str | None = None


@dataclass(frozen=True)
class Deny:
    """Deny the request with this code."""

    code: str
    comment: str | None = None


@dataclass(frozen=True)
class Edit:
    """Approve the request with some arguments changed; the others stay."""

    code: str
    changes: ArgumentChanges


@dataclass(frozen=True)
class AnswerQuestion:
    """Answer the question with this code."""

    code: str
    text: str


@dataclass(frozen=True)
class ActAs:
    """Speak and decide as this person from now on."""

    person: str


@dataclass(frozen=True)
class ListThreads:
    """Show the threads there are."""


@dataclass(frozen=True)
class SwitchThread:
    """Go on in this thread."""

    thread_id: str


@dataclass(frozen=True)
class ListRequests:
    """Show what waits for an answer; with `is_all` also what was answered."""

    is_all: bool = False


@dataclass(frozen=True)
class StartThread:
    """Begin a new thread with the next thing said; None keeps the agent."""

    agent: str | None = None


@dataclass(frozen=True)
class ControlThread:
    """Pause, resume or cancel the thread."""

    action: Literal["pause", "resume", "cancel"]


@dataclass(frozen=True)
class ListAgents:
    """Show the agents there are."""


@dataclass(frozen=True)
class WhoAmI:
    """Show as whom one speaks and decides."""


@dataclass(frozen=True)
class ShowHelp:
    """Show what can be typed."""


@dataclass(frozen=True)
class Quit:
    """Leave. The thread goes on."""


@dataclass(frozen=True)
class ParseError:
    """What was typed makes no sense; `hint` says what to type instead."""

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
"""What answers a request."""


def answer_body(command: AnswerCommand, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the order as the API takes it; an edit changes these `arguments`."""
    match command:
        case Approve(_, comment):
            return {"decision": "approve", "comment": comment}
        case Deny(_, comment):
            return {"decision": "deny", "comment": comment}
        case Edit(_, changes):
            return {"decision": "edit", "arguments": changes.apply_to(arguments or {})}
        case AnswerQuestion(_, text):
            return {"decision": "answer", "text": text}
