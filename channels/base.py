"""Protocols that channels implement, and the description of a channel's capabilities."""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from agents.core.messages import Assurance, Message, Receipt
from agents.core.values import Address


@dataclass(frozen=True)
class Capabilities:
    """Features that a channel supports. `channels.text` renders messages as text for a channel without buttons.

    `max_length` is in characters per message. `reply_instructions` are the commands with which a person answers a
    request by text; `{code}` in them stands for the code of the request. `assurance` rates how well the channel
    authenticates people.
    """

    has_buttons: bool = False
    has_links: bool = False
    can_edit: bool = False
    has_markdown: bool = False
    max_length: int = 1_000_000
    reply_instructions: tuple[str, ...] = ()
    assurance: Assurance = Assurance.NONE


@runtime_checkable
class PullChannel(Protocol):
    """Channel whose clients read the event log themselves: a committed message counts as delivered."""

    @property
    def scheme(self) -> str:
        """Scheme of the channel's addresses."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    def receipt_for(self, message: Message) -> Receipt:
        """Return the receipt of a message, computed without I/O."""
        ...


class ReplyStream(Protocol):
    """Reply that is shown while a model writes it. Its methods never raise: showing it is best-effort."""

    def update(self, text: str) -> None:
        """Replace the shown text by `text`, the complete reply so far."""
        ...

    async def finish(self) -> Receipt | None:
        """Stop showing updates and return the receipt of the shown message, which the final one replaces.

        Return None if nothing was shown.
        """
        ...

    async def discard(self) -> None:
        """Remove the shown text: the model's output turned out not to be a reply."""
        ...


@runtime_checkable
class StreamingChannel(Protocol):
    """Channel that can show a reply while it is written."""

    def start_reply(self, to: Address, recipient: Address | None) -> ReplyStream:
        """Return a stream for a reply at this address, shown from its first update on.

        `recipient` is the person to whom the reply is addressed.
        """
        ...


IdleReason = Literal["waiting", "done", "cancelled"]
"""Why no agent works on a thread: it waits for a person or a timer, its work is done, or it was cancelled."""


@runtime_checkable
class StatusChannel(Protocol):
    """Channel that can show whether an agent is working. Both methods return at once and never raise."""

    def set_busy(self, address: Address, activity: str) -> None:
        """Show that an agent is working; `activity` describes its work, such as `is thinking…`."""
        ...

    def set_idle(self, address: Address, reason: IdleReason) -> None:
        """Show that no agent is working any more."""
        ...


@runtime_checkable
class PrivacyAwareChannel(Protocol):
    """Channel that knows which of its addresses only one person can read."""

    def is_private(self, address: Address) -> bool:
        """Return whether only one person can read messages at this address."""
        ...


@runtime_checkable
class Channel(Protocol):
    """Channel to which messages are sent. `send` is called concurrently; the channel limits its own concurrency.

    If sending fails, `send` raises Retryable or Permanent and no other exception. DeliveryUncertain, a Retryable, means
    that the message may have arrived. ConfigurationError, a Permanent, means that the message is not at fault: it
    is kept until the configuration has been corrected.
    """

    @property
    def scheme(self) -> str:
        """Scheme of the channel's addresses."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def send(
        self,
        to: Address,
        message: Message,
        *,
        key: str,
        replaces: Receipt | None = None,
        may_have_been_sent: bool = False,
    ) -> Receipt:
        """Send a message and return its receipt. With `replaces`, update the message of that receipt instead.

        `key` identifies the message and is the same in every attempt. `may_have_been_sent` means that an earlier
        attempt may have delivered the message: look for it before sending it again, if the channel can do that.
        """
        ...
