"""Optional abilities of channels. A channel has an ability if it has the methods of its protocol.

A check that a channel contributes to `handrail doctor` yields findings.
"""

from typing import Literal, Protocol, runtime_checkable

from pydantic import Field, JsonValue

from agents.core.messages import Receipt
from agents.core.values import Address, FrozenModel


class ReplyStream(Protocol):
    """Reply that is shown while a model writes it. Its methods never raise: showing it is best-effort."""

    def update(self, text: str) -> None:
        """Replace the shown text by `text`, the complete reply so far."""
        ...

    async def finish(self) -> Receipt | None:
        """Stop showing updates and return the receipt of the shown message, by which the final one replaces it.

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


FindingState = Literal["ok", "warning", "problem"]


class Finding(FrozenModel):
    """Result of one check. `fix` says what to do; a `problem` prevents Handrail from working.

    `data` has the same facts as `message`, for programs that monitor a shared database. The JSON key of `message` is
    `told` (`handrail doctor --json`).
    """

    name: str
    state: FindingState
    message: str = Field(serialization_alias="told")
    fix: str | None = None
    data: dict[str, JsonValue] | None = None
