"""Inputs that are stored before they are acknowledged and processed afterwards, such as mails.

A channel stores what arrived in a commit of its own and acknowledges it. The application then calls the plugin's
`process_input`, again after a temporary error, until it returns a result. Processing happens at least once: its effects
have dedup keys, so that they happen once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agents.core.values import Address
from channels.inbound import Arrival


@dataclass(frozen=True)
class RawInput:
    """An arrival as it came in. It is a duplicate if its `channel` has stored its `key` before.

    Inputs of one `group` are processed one at a time, the oldest first. Old inputs are deleted with their keys, except
    those with `keeps_key`, which others could send again at any time: of these the key is kept for ever.
    """

    channel: str
    key: str
    group: str
    received_at: datetime
    metadata: Mapping[str, str]
    content: bytes
    keeps_key: bool = False


@dataclass(frozen=True)
class StoredInput:
    """A stored input. `attempt` counts from 1.

    `recent_count` is the number of inputs of its group that arrived in the hour before it, itself included.
    `recent_wrong_codes` is the number of those whose result `has_wrong_code`.
    """

    id: str
    raw: RawInput
    attempt: int
    recent_count: int
    recent_wrong_codes: int = 0


@dataclass(frozen=True)
class ThreadContext:
    """A thread as a channel needs it to send a message that belongs to it.

    `thread_id` is empty for the reply to an input that concerns several threads or none. `title` is that of its first
    message. `references` are the conversation keys that were exchanged with the recipient in this thread, the oldest
    first. `ordered_at` is the time at which the message to send was ordered, the same at each attempt.
    """

    thread_id: str
    title: str | None = None
    references: tuple[str, ...] = ()
    ordered_at: datetime | None = None


@dataclass(frozen=True)
class InputReply:
    """Reply to an input, in no thread's log. Only the first `max_count` replies with one `limit_key` are sent."""

    to: Address
    text: str
    limit_key: str
    context: ThreadContext | None = None
    max_count: int = 1


@dataclass(frozen=True)
class InputResult:
    """Result of processing an input. `reason` is in lower-case words, without content; `handrail doctor` shows it.

    A quarantined input is kept for a person to look at. `has_wrong_code` means that the sender named a request that
    does not exist or was not shown to them, which a channel limits.
    """

    state: Literal["processed", "ignored", "quarantined"]
    reason: str = ""
    reply: InputReply | None = None
    has_wrong_code: bool = False


@dataclass(frozen=True)
class DeliveryFailure:
    """A message that was accepted and could not be delivered afterwards. `ref` is that of its receipt.

    Without a `thread_id` the message is found by `ref` among the conversation keys of its receipt. `reason` is shown to
    people.
    """

    arrival: Arrival
    thread_id: str | None
    ref: str
    reason: str


@dataclass(frozen=True)
class DeliveryConfirmation:
    """A message that reached its recipient, found by `ref` among the conversation keys of its receipt."""

    arrival: Arrival
    ref: str


@dataclass(frozen=True)
class OptOut:
    """The sender of the arrival has opted out of messages to its source, or in again (`is_opted_out` False)."""

    arrival: Arrival
    is_opted_out: bool


@dataclass(frozen=True)
class SentMessage:
    """The last message that was sent to an address; `request_id` is that of its card, None for any other message."""

    at: datetime
    request_id: str | None
