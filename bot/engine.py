"""`Engine.record`: the one door through which anything enters a thread (DESIGN §3.1)."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol

from sqlalchemy import Connection

from agents.capping import with_texts_cut
from agents.effects import SendMessage
from agents.errors import VersionConflict, WrongState
from agents.escalating import follow_up
from agents.events import KnownEvent, ThreadForked
from agents.next_step import messages
from agents.people import People
from agents.reducer import reduce
from agents.requests import Request
from agents.state import ThreadState
from bot.delivery import read_from_the_log
from channels.base import Reader
from storage import inbox, outbox
from storage.database import Database
from storage.requests import open_request, save_request
from storage.threads import Threads
from storage.writes import Writes

Events = tuple[KnownEvent, ...]
Decide = Callable[[ThreadState], Sequence[KnownEvent]]
"""From the state as it is now to what is to be written; nothing when the moment has passed."""

NEW = ThreadState()
MOST_ATTEMPTS = 20
"""Lost races in a row before we give up: each means that somebody else got through."""


@dataclass(frozen=True)
class Recorded:
    """What one transaction did to a thread; with `earlier`, the same had come in before and nothing was done."""

    before: ThreadState
    after: ThreadState
    events: tuple[KnownEvent, ...] = ()
    requests: Mapping[str, Request] = field(default_factory=dict)
    earlier: inbox.Earlier | None = None


Reply = Callable[[Recorded], str]
Also = Callable[[Writes, Recorded], None]
"""More to write in the same transaction, by whoever has it recorded."""
Deferrer = Callable[[Writes, Recorded], None]
"""Told of every write within its transaction: what it adds is committed or rolled back with the events."""
Listener = Callable[[Recorded], None]
"""Told of every commit, on the loop. Of two at nearly the same time it may hear in either order on PostgreSQL."""


class Act(Protocol):
    """What a transaction does to a thread; `settled` where it has to wait for others first."""

    def __call__(self, connection: Connection, writes: Writes, /, *, settled: bool) -> Recorded: ...


@dataclass
class Engine:
    """Append, fold, project, post and claim in one transaction; then tell whoever listens.

    A `hopeful` one decides on the state it remembers and lets the version tell whether that was right: worth it for
    whoever moves a thread on, and is the last who wrote to it most of the time.
    """

    database: Database
    threads: Threads
    readers: Mapping[str, Reader] = field(default_factory=dict)
    deferrer: Deferrer | None = None
    hopeful: bool = False
    people: People = field(default_factory=People)
    listeners: list[Listener] = field(default_factory=list)
    _bells: dict[str, set[asyncio.Event]] = field(default_factory=lambda: defaultdict(set))
    _somebody: asyncio.Event = field(default_factory=asyncio.Event)

    async def record(
        self,
        thread_id: str | None,
        decide: Decide,
        *,
        claim: inbox.Claim | None = None,
        reply: Reply | None = None,
        also: Also | None = None,
    ) -> Recorded:
        """Write what `decide` makes of the thread's present state; None opens a new thread.

        `claim` names what came in: a second arrival decides nothing and finds the first one's `reply`.
        A lost race reloads and decides again. Raises what `decide` raises, ThreadNotFound, CodeTaken, StoreUnavailable.
        """

        def decided(connection: Connection, writes: Writes, *, settled: bool) -> Recorded:
            recorded = self._recorded(connection, writes, thread_id, decide, settled=settled)
            if also is not None and recorded.events:
                also(writes, recorded)
            return recorded

        return await self._written(decided, claim, reply)

    async def fork(
        self,
        history: ThreadState,
        forked: ThreadForked,
        *,
        claim: inbox.Claim | None = None,
        reply: Reply | None = None,
    ) -> Recorded:
        """Open a thread whose log begins as its parent's, of which `history` is the state at the fork.

        The database copies the events in one statement: nobody waits while they are read, folded and written again.
        Raises StoreUnavailable.
        """
        recorded = Recorded(NEW, reduce(history, forked), (forked,))

        def copied(_connection: Connection, writes: Writes, *, settled: bool) -> Recorded:  # noqa: ARG001 - as in record
            self.threads.copy(writes, forked, recorded.after)
            if self.deferrer is not None:
                self.deferrer(writes, recorded)
            return recorded

        return await self._written(copied, claim, reply)

    async def _written(self, act: Act, claim: inbox.Claim | None, reply: Reply | None) -> Recorded:
        def work(connection: Connection, writes: Writes, *, settled: bool) -> Recorded:
            if claim is not None and (earlier := inbox.seen(connection, claim)) is not None:
                return Recorded(NEW, NEW, earlier=earlier)
            recorded = act(connection, writes, settled=settled)
            if claim is not None and recorded.after.updated_at is not None:
                said = reply(recorded) if reply else None
                inbox.enter(writes, claim, recorded.after.thread_id, recorded.after.updated_at, said)
            return recorded

        for attempt in range(MOST_ATTEMPTS):
            late = attempt > 0
            with suppress(VersionConflict):
                return await self.database.write(partial(work, settled=late), self._tell, locking=late)
        raise VersionConflict

    async def load(self, thread_id: str, *, settled: bool = False) -> ThreadState:
        """The state as of the last commit; `settled` waits for those that are being made. Raises ThreadNotFound."""
        look = self.threads.settled if settled else self.threads.load
        return await self.database.read(lambda connection: look(connection, thread_id))

    @contextmanager
    def bell(self, thread_id: str) -> Iterator[asyncio.Event]:
        """An event that is set at every commit to the thread, for whoever follows it."""
        bell = asyncio.Event()
        self._bells[thread_id].add(bell)
        self._somebody.set()
        try:
            yield bell
        finally:
            self._bells[thread_id].discard(bell)
            if not self._bells[thread_id]:
                del self._bells[thread_id]

    def ring(self, thread_id: str) -> None:
        """Tell those who follow the thread that there is news, perhaps from another process."""
        for bell in self._bells.get(thread_id, ()):
            bell.set()

    async def followed(self) -> list[str]:
        """The threads somebody here follows now, once there are any."""
        while not self._bells:
            self._somebody.clear()
            await self._somebody.wait()
        return list(self._bells)

    def _recorded(
        self, connection: Connection, writes: Writes, thread_id: str | None, decide: Decide, *, settled: bool
    ) -> Recorded:
        if thread_id is None:
            return self._appended(writes, NEW, decide(NEW))
        likely = self.threads.likely(thread_id) if self.hopeful and not settled else None
        if likely is not None and likely.unreadable is None and (events := decide(likely)):
            return self._appended(writes, likely, events)
        before = self.threads.load(connection, thread_id, settled=settled)
        _refuse_unreadable(before)
        return self._appended(writes, before, decide(before))

    def _appended(self, writes: Writes, before: ThreadState, decided: Sequence[KnownEvent]) -> Recorded:
        if not decided:
            return Recorded(before, before)
        events, after, touched = self._folded(before, tuple(map(with_texts_cut, decided)))
        self.threads.append(writes, before, events, after)
        _write_requests(writes, before, [r for r in touched.values() if r.thread_id == after.thread_id])
        _write_outbox(writes, before, after)
        recorded = Recorded(before, after, events, touched)
        if self.deferrer is not None:
            self.deferrer(writes, recorded)
        return recorded

    def _folded(self, before: ThreadState, events: Events) -> tuple[Events, ThreadState, dict[str, Request]]:
        """The events with what they say to readers of the log, the state after them, and every request they touched."""
        state, touched, written = before, dict[str, Request](), list[KnownEvent]()
        while events:
            for event in events:
                state = reduce(state, event)
                touched.update({request.id: request for request in state.requests})
            written += events
            events = tuple(self._read(state, written[-1].at)) if state.outgoing else ()
        return tuple(written), state, touched

    def _read(self, state: ThreadState, at: datetime) -> Iterator[KnownEvent]:
        """What readers of the log see at once, and what follows from that."""
        for event in read_from_the_log(state, self.readers, at):
            yield event
            yield from follow_up(state, event, self.people)

    def _tell(self, recorded: Recorded) -> None:
        if not recorded.events:
            return
        self.threads.committed(recorded.after)
        self.ring(recorded.after.thread_id)
        for listener in self.listeners:
            listener(recorded)


def _refuse_unreadable(state: ThreadState) -> None:
    if state.unreadable is not None:
        raise WrongState(
            f"thread {state.thread_id} holds an event this Handrail cannot read ({state.unreadable}): "
            "it is paused; use the version that wrote it",
            details={"status": state.status},
        )


def _write_requests(writes: Writes, before: ThreadState, touched: Sequence[Request]) -> None:
    """A fork folds its parent's requests too; those were left out: they are not its own."""
    for request in touched:
        known = before.request_named(request.id)
        if known is None:
            open_request(writes, request)
        elif known is not request:
            save_request(writes, known, request)


def _write_outbox(writes: Writes, before: ThreadState, after: ThreadState) -> None:
    if before.outgoing is after.outgoing or after.updated_at is None:
        return
    wanted = {m.key for m in after.outgoing}
    outbox.drop(writes, after.thread_id, (m.key for m in before.outgoing if m.key not in wanted))
    outbox.put(writes, after.thread_id, posted(before, after), after.updated_at, after.version)


def posted(before: ThreadState, after: ThreadState) -> tuple[SendMessage, ...]:
    """The messages that are on their way after a change and were not before."""
    known = {m.key for m in before.outgoing}
    return tuple(m for m in messages(after) if m.key not in known)
