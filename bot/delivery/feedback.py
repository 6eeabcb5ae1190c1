"""Feedback on a thread's channel while its agent works: partial replies and the status, where the channel has them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agents.core.messages import Receipt
from agents.core.next_step import AskHuman, Prefetch, RecoverTool, RunTool, WorkEffect
from agents.core.people import People
from agents.core.state import ThreadState
from agents.core.values import Address
from agents.llm.base import OnPartialReply
from channels.abilities import IdleReason, ReplyStream, StatusChannel, StreamingChannel


@dataclass
class ActiveReply:
    """The partial reply of one model call. Without a `stream` the channel shows none and the model need not stream."""

    stream: ReplyStream | None = None
    is_kept: bool = False

    @property
    def on_partial(self) -> OnPartialReply | None:
        return None if self.stream is None else self.stream.update

    async def finish(self) -> Receipt | None:
        """Finish the stream and return where the reply is shown; None if it is not."""
        return None if self.stream is None else await self.stream.finish()

    def keep(self) -> None:
        """Keep the partial reply: an outbox message will replace it."""
        self.is_kept = True


@dataclass(frozen=True)
class ReplyStreams:
    """Starts partial replies on the channels that can show them."""

    channels: Mapping[str, StreamingChannel] = field(default_factory=dict)
    people: People = field(default_factory=People)

    @asynccontextmanager
    async def open(self, state: ThreadState) -> AsyncIterator[ActiveReply]:
        """Yield the partial reply of one model call. Discard it at the end unless it was kept."""
        active_reply = ActiveReply(self._start(state))
        try:
            yield active_reply
        finally:
            if active_reply.stream is not None and not active_reply.is_kept:
                await active_reply.stream.discard()

    def _start(self, state: ThreadState) -> ReplyStream | None:
        """Start a stream, except while an agent works for another one: its answer is not a reply to people."""
        channel = self.channels.get(state.origin.scheme)
        if channel is None or state.delegations:
            return None
        return channel.start_reply(state.origin, self._requester_address(state, state.origin.scheme))

    def _requester_address(self, state: ThreadState, scheme: str) -> Address | None:
        person = self.people.get(state.requester)
        addresses = (state.requester, *(person.addresses if person else ()))
        return next((address for address in addresses if address.scheme == scheme), None)


_IDLE_REASONS: Mapping[str, IdleReason] = {
    "waiting_for_human": "waiting",
    "waiting_for_time": "waiting",
    "paused": "waiting",
    "cancelled": "cancelled",
}


@dataclass(frozen=True)
class StatusReporter:
    """Reports the status of threads to their channels. Channels without a status are skipped."""

    channels: Mapping[str, StatusChannel] = field(default_factory=dict)

    def report_busy(self, state: ThreadState, effect: WorkEffect) -> None:
        channel = self.channels.get(state.origin.scheme)
        if channel is not None and not isinstance(effect, AskHuman):
            channel.set_busy(state.origin, _describe_work(effect))

    def report_idle(self, state: ThreadState) -> None:
        channel = self.channels.get(state.origin.scheme)
        if channel is not None:
            channel.set_idle(state.origin, _IDLE_REASONS.get(state.status, "done"))


def _describe_work(effect: WorkEffect) -> str:
    match effect:
        case Prefetch():
            return f"is running {effect.tool}…"
        case RunTool() | RecoverTool():
            return f"is running {effect.call.tool}…"
        case _:
            return "is thinking…"
