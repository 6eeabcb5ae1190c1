"""Values that a channel reports to the application through `Receiver`, and what it gets back.

A channel reports who sent something according to its protocol. The application decides which person that is and what
they may do. A refusal is a value with a text for the sender; a temporary error is raised as Retryable, so that the
channel can ask the remote service to send again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from agents.core.errors import Permanent
from agents.core.messages import Assurance, Quote
from agents.core.people import Person
from agents.core.requests import Decision, Request
from agents.core.state import ThreadState
from agents.core.values import Address


@dataclass(frozen=True)
class Sender:
    """The sender of an input, as authenticated by the channel's protocol.

    `identities` are the addresses by which `handrail.toml` may name the sender; an unknown sender keeps the first one.
    `entered_by` is the authenticated address that acts for the sender, if it is another one. An `is_external` sender
    belongs to another organisation, and is ignored unless `handrail.toml` names them.
    """

    identities: tuple[Address, ...]
    entered_by: Address | None = None
    is_external: bool = False


@dataclass(frozen=True)
class Arrival:
    """Sender, channel and time of an input.

    The input is a duplicate if any of its `dedup_keys` was recorded on this `channel` before.
    """

    channel: str
    dedup_keys: tuple[str, ...]
    sender: Sender
    source: Address
    """Conversation in which it arrived; replies go there."""
    at: datetime


@dataclass(frozen=True)
class InboundMessage:
    """A message for the thread with this id, or the one of its conversation, or a new one if it `may_open` one.

    `conversation_keys` identify the conversation; a thread linked to any of them is its thread. `is_first` means that
    the message starts its conversation, so that no search is needed. A new thread is with `agent`, None for the
    default agent; if the message `may_name_agent`, a text that begins with the name of an agent and a colon opens a
    thread with that one. Replies go to `reply_to`, by default to the source.
    `ref` is the channel's id of the message. With an `author` the text is the words of that author, forwarded by the
    sender. The content of `file_names` is not read. `title` is a short description, such as the subject of a mail.
    `linked_keys` are the conversation keys to link to the message's thread; None means `conversation_keys`, if it opens
    one. If it `requires_access`, a sender who may not see the thread of the conversation opens a new one.

    A conversation that goes on for ever, such as that of two phone numbers, moves from thread to thread: the message
    opens a new one, to which the conversation is linked from then on, if it `begins_topic`, or if nothing has happened
    in the last thread for `idle_after` and nothing is open in it.
    """

    arrival: Arrival
    text: str
    thread_id: str | None = None
    conversation_keys: tuple[str, ...] = ()
    may_open: bool = True
    is_first: bool = False
    may_name_agent: bool = False
    agent: str | None = None
    reply_to: Address | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    ref: str | None = None
    author: str | None = None
    quotes: tuple[Quote, ...] = ()
    file_names: tuple[str, ...] = ()
    title: str | None = None
    linked_keys: tuple[str, ...] | None = None
    requires_access: bool = False
    begins_topic: bool = False
    idle_after: timedelta | None = None


@dataclass(frozen=True)
class InboundEdit:
    """An edit of the message `ref`, with its new text, or its deletion (text None)."""

    arrival: Arrival
    ref: str
    text: str | None
    conversation_keys: tuple[str, ...]
    may_name_agent: bool = False


@dataclass(frozen=True)
class InboundAnswer:
    """An answer to a request, named by its id or code. `shown_digest` is the hash of the exact content that was shown.

    `assurance` says how certain it is who answered.

    `was_shown` means that the channel has proof that the request was shown to the sender, such as a signed button.
    Without it the sender must be allowed to see the request.
    """

    arrival: Arrival
    request: str
    decision: Decision
    assurance: Assurance
    comment: str | None = None
    text: str | None = None
    arguments: dict[str, Any] | None = None
    shown_digest: str | None = None
    was_shown: bool = False


ControlAction = Literal["cancel", "pause", "resume"]


@dataclass(frozen=True)
class InboundControl:
    """A control action on the thread with this id, or on the thread of the conversation in which it was given."""

    arrival: Arrival
    action: ControlAction
    thread_id: str | None = None
    conversation_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """Why an input was not accepted: a sentence for the sender, and the error for channels that report it as data."""

    text: str
    error: Permanent


@dataclass(frozen=True)
class Posted:
    """Result of a message. `refusal` is set if the sender should read the reason; a duplicate has none."""

    outcome: Literal["opened", "posted", "duplicate", "ignored", "refused"]
    thread_id: str | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True)
class AnswerResult:
    """The request after an answer, and a sentence for the sender: a notice, or the reason of the refusal."""

    request: Request | None = None
    notice: str | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True)
class ControlResult:
    """The thread that was controlled, or why it was not. Without both, the conversation has no thread."""

    thread_id: str | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True)
class ThreadSummary:
    """A thread of the sender; `title` is its first message."""

    state: ThreadState
    title: str


@dataclass(frozen=True)
class Overview:
    """The sender's person if `handrail.toml` names one, the open requests that they may decide, and their threads.

    Both lists are the newest first, at most as many as were asked for.
    """

    person: Person | None = None
    requests: tuple[Request, ...] = ()
    threads: tuple[ThreadSummary, ...] = ()


@dataclass(frozen=True)
class HelpTexts:
    """Texts for people who ask what the bot can do: its help, and commands that need no arguments."""

    help_text: str
    example_commands: tuple[str, ...] = ()
