"""The port every channel has, and what a channel can do, as data."""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from agents.addresses import Address
from agents.messages import Assurance, Message, Receipt


@dataclass(frozen=True)
class Capabilities:
    """What a channel's messages can carry. `degrade` makes of every message one that the channel can show.

    `longest` is characters in one message. `commands` is how a person answers in words, with `{code}` in it.
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
    """A channel whose people follow the log themselves: what is written is there for them, nothing has to be sent."""

    @property
    def scheme(self) -> str:
        """The scheme of its addresses."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    def receipt_for(self, message: Message) -> Receipt:
        """The receipt for what its people see of a message. Pure."""
        ...


class ReplyStream(Protocol):
    """A reply that somebody may read while a model writes it. It raises nothing: nobody waits for it."""

    def update(self, text: str) -> None:
        """All of the reply so far."""
        ...

    async def finish(self) -> Receipt | None:
        """Show nothing more. Where it is shown, for the message that takes its place; None when nothing is."""
        ...

    async def discard(self) -> None:
        """Take it away: it was no reply after all."""
        ...


@runtime_checkable
class StreamingChannel(Protocol):
    """A channel that can show a reply while it is written."""

    def start_reply(self, to: Address, recipient: Address | None) -> ReplyStream:
        """A draft at this address, begun with its first words. `reader` is for whom it is written."""
        ...


IdleReason = Literal["waiting", "done", "cancelled"]
"""Why nobody works: people or the clock are waited for, there is nothing more to do, or it was ended."""


@runtime_checkable
class StatusChannel(Protocol):
    """A channel that can show that an agent is at work. Both return at once and raise nothing."""

    def set_busy(self, address: Address, activity: str) -> None:
        """It is, and what it does in words, such as `is thinking…`."""
        ...

    def set_idle(self, address: Address, reason: IdleReason) -> None:
        """It is not any more."""
        ...


@runtime_checkable
class PrivacyAwareChannel(Protocol):
    """A channel some of whose addresses are read by one person alone."""

    def is_private(self, address: Address) -> bool:
        """Whether this one is."""
        ...


@runtime_checkable
class Channel(Protocol):
    """Where messages leave, many at once: how many of them go on at the same time is the channel's to say.

    `send` raises Retryable or Permanent, and nothing else, when it cannot.

    Of Retryable, Doubtful says that the message may have arrived all the same. Of Permanent, Misconfigured says that
    it is not the message's fault: it waits until somebody has put that right.
    """

    @property
    def scheme(self) -> str:
        """The scheme of its addresses."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def send(
        self, to: Address, message: Message, *, key: str, replaces: Receipt | None = None, maybe_sent: bool = False
    ) -> Receipt:
        """Hand a message over, or put it in the place of an earlier one. `key` is the same for every attempt.

        With `again` an earlier attempt may have arrived: look for it first, where the other side lets us.
        """
        ...
