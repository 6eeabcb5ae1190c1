"""Optional abilities of channels. A channel has an ability if it has the methods of its protocol."""

from typing import Literal, Protocol, runtime_checkable

from agents.core.messages import Receipt
from agents.core.values import Address


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
