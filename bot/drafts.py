"""Replies people may read while a model writes them, where the channel of the thread can show that."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agents.addresses import Address
from agents.messages import Receipt
from agents.model import Words
from agents.people import People
from agents.state import ThreadState
from channels.base import Draft, Drafter


@dataclass
class Drafting:
    """One model call's draft. Without one there is nobody to tell, and the model need not stream."""

    draft: Draft | None = None
    kept: bool = False

    @property
    def words(self) -> Words | None:
        return None if self.draft is None else self.draft.words

    async def end(self) -> Receipt | None:
        """Where it is shown, if it is."""
        return None if self.draft is None else await self.draft.end()

    def keep(self) -> None:
        """A message takes its place: that is the outbox's to do from here on."""
        self.kept = True


@dataclass(frozen=True)
class Drafts:
    """Begins drafts."""

    channels: Mapping[str, Drafter] = field(default_factory=dict)
    people: People = field(default_factory=People)

    @asynccontextmanager
    async def of(self, state: ThreadState) -> AsyncIterator[Drafting]:
        """For one call of the model; what was not kept is taken away at its end."""
        drafting = Drafting(self._begun(state))
        try:
            yield drafting
        finally:
            if drafting.draft is not None and not drafting.kept:
                await drafting.draft.discard()

    def _begun(self, state: ThreadState) -> Draft | None:
        """What one agent answers another is no reply to people."""
        channel = self.channels.get(state.origin.scheme)
        if channel is None or state.asked:
            return None
        return channel.draft(state.origin, self._reader(state, state.origin.scheme))

    def _reader(self, state: ThreadState, scheme: str) -> Address | None:
        who = self.people.get(state.requester)
        known = (state.requester, *(who.addresses if who else ()))
        return next((address for address in known if address.scheme == scheme), None)
