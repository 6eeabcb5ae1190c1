"""Replies people may read while a model writes them, where the channel of the thread can show that."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agents.addresses import Address
from agents.messages import Receipt
from agents.model import OnPartialReply
from agents.people import People
from agents.state import ThreadState
from channels.base import ReplyStream, StreamingChannel


@dataclass
class ActiveReply:
    """One model call's draft. Without one there is nobody to tell, and the model need not stream."""

    stream: ReplyStream | None = None
    is_kept: bool = False

    @property
    def on_partial(self) -> OnPartialReply | None:
        return None if self.stream is None else self.stream.update

    async def finish(self) -> Receipt | None:
        """Where it is shown, if it is."""
        return None if self.stream is None else await self.stream.finish()

    def keep(self) -> None:
        """A message takes its place: that is the outbox's to do from here on."""
        self.is_kept = True


@dataclass(frozen=True)
class ReplyStreams:
    """Begins drafts."""

    channels: Mapping[str, StreamingChannel] = field(default_factory=dict)
    people: People = field(default_factory=People)

    @asynccontextmanager
    async def open(self, state: ThreadState) -> AsyncIterator[ActiveReply]:
        """For one call of the model; what was not kept is taken away at its end."""
        drafting = ActiveReply(self._start(state))
        try:
            yield drafting
        finally:
            if drafting.stream is not None and not drafting.is_kept:
                await drafting.stream.discard()

    def _start(self, state: ThreadState) -> ReplyStream | None:
        """What one agent answers another is no reply to people."""
        channel = self.channels.get(state.origin.scheme)
        if channel is None or state.delegations:
            return None
        return channel.start_reply(state.origin, self._requester_address(state, state.origin.scheme))

    def _requester_address(self, state: ThreadState, scheme: str) -> Address | None:
        who = self.people.get(state.requester)
        known = (state.requester, *(who.addresses if who else ()))
        return next((address for address in known if address.scheme == scheme), None)
