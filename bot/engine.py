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

from agents.effects import SendMessage
from agents.errors import VersionConflict, WrongState
from agents.escalation import escalation_follow_ups
from agents.event_truncation import truncate_texts
from agents.events import KnownEvent, ThreadForked
from agents.next_step import pending_sends
from agents.people import People
from agents.reducer import reduce
from agents.requests import Request
from agents.state import ThreadState
from bot.delivery_events import pull_channel_deliveries
from channels.base import PullChannel
from storage import inbox, outbox
from storage.database import Database
from storage.event_store import ThreadStore
from storage.requests import insert_request, update_request
from storage.write_batch import WriteBatch

Events = tuple[KnownEvent, ...]
Decider = Callable[[ThreadState], Sequence[KnownEvent]]
"""From the state as it is now to what is to be written; nothing when the moment has passed."""

EMPTY_STATE = ThreadState()
MAX_COMMIT_ATTEMPTS = 20
"""Lost races in a row before we give up: each means that somebody else got through."""


@dataclass(frozen=True)
class CommitResult:
    """What one transaction did to a thread; with `earlier`, the same had come in before and nothing was done."""

    before: ThreadState
    after: ThreadState
    events: tuple[KnownEvent, ...] = ()
    requests: Mapping[str, Request] = field(default_factory=dict)
    duplicate_of: inbox.PreviousResult | None = None


ResponseRenderer = Callable[[CommitResult], str]
ExtraWrites = Callable[[WriteBatch, CommitResult], None]
"""More to write in the same transaction, by whoever has it recorded."""
JobEnqueuer = Callable[[WriteBatch, CommitResult], None]
"""Told of every write within its transaction: what it adds is committed or rolled back with the events."""
CommitListener = Callable[[CommitResult], None]
"""Told of every commit, on the loop. Of two at nearly the same time it may hear in either order on PostgreSQL."""


class TransactionBody(Protocol):
    """What a transaction does to a thread; `for_update` where it has to wait for other writers."""

    def __call__(self, connection: Connection, writes: WriteBatch, /, *, for_update: bool) -> CommitResult: ...


@dataclass
class Engine:
    """Append, fold, project, post and claim in one transaction; then tell whoever listens.

    A `hopeful` one decides on the state it remembers and lets the version tell whether that was right: worth it for
    whoever moves a thread on, and is the last who wrote to it most of the time.
    """

    database: Database
    store: ThreadStore
    pull_channels: Mapping[str, PullChannel] = field(default_factory=dict)
    enqueue_jobs: JobEnqueuer | None = None
    is_optimistic: bool = False
    people: People = field(default_factory=People)
    listeners: list[CommitListener] = field(default_factory=list)
    _subscribers: dict[str, set[asyncio.Event]] = field(default_factory=lambda: defaultdict(set))
    _has_subscribers: asyncio.Event = field(default_factory=asyncio.Event)

    async def apply(
        self,
        thread_id: str | None,
        decide: Decider,
        *,
        claim: inbox.IdempotencyClaim | None = None,
        render_response: ResponseRenderer | None = None,
        extra_writes: ExtraWrites | None = None,
    ) -> CommitResult:
        """Write what `decide` makes of the thread's present state; None opens a new thread.

        `claim` names what came in: a second arrival decides nothing and finds the first one's `reply`.
        A lost race reloads and decides again. Raises what `decide` raises, ThreadNotFound, CodeTaken, StoreUnavailable.
        """

        def decided(connection: Connection, writes: WriteBatch, *, for_update: bool) -> CommitResult:
            recorded = self._decide_and_append(connection, writes, thread_id, decide, for_update=for_update)
            if extra_writes is not None and recorded.events:
                extra_writes(writes, recorded)
            return recorded

        return await self._commit(decided, claim, render_response)

    async def fork(
        self,
        state_at_fork: ThreadState,
        fork_event: ThreadForked,
        *,
        claim: inbox.IdempotencyClaim | None = None,
        render_response: ResponseRenderer | None = None,
    ) -> CommitResult:
        """Open a thread whose log begins as its parent's, of which `history` is the state at the fork.

        The database copies the events in one statement: nobody waits while they are read, folded and written again.
        Raises StoreUnavailable.
        """
        recorded = CommitResult(EMPTY_STATE, reduce(state_at_fork, fork_event), (fork_event,))

        def copied(_connection: Connection, writes: WriteBatch, *, for_update: bool) -> CommitResult:  # noqa: ARG001 - as in record
            self.store.append_fork(writes, fork_event, recorded.after)
            if self.enqueue_jobs is not None:
                self.enqueue_jobs(writes, recorded)
            return recorded

        return await self._commit(copied, claim, render_response)

    async def _commit(
        self, body: TransactionBody, claim: inbox.IdempotencyClaim | None, render_response: ResponseRenderer | None
    ) -> CommitResult:
        def work(connection: Connection, writes: WriteBatch, *, for_update: bool) -> CommitResult:
            if claim is not None and (earlier := inbox.find_duplicate(connection, claim)) is not None:
                return CommitResult(EMPTY_STATE, EMPTY_STATE, duplicate_of=earlier)
            recorded = body(connection, writes, for_update=for_update)
            if claim is not None and recorded.after.updated_at is not None:
                said = render_response(recorded) if render_response else None
                inbox.record_claim(writes, claim, recorded.after.thread_id, recorded.after.updated_at, said)
            return recorded

        for attempt in range(MAX_COMMIT_ATTEMPTS):
            late = attempt > 0
            with suppress(VersionConflict):
                return await self.database.commit_batch(partial(work, for_update=late), self._publish, for_update=late)
        raise VersionConflict

    async def load(self, thread_id: str, *, wait_for_commits: bool = False) -> ThreadState:
        """The state as of the last commit; `wait_for_commits` waits for those in progress. Raises ThreadNotFound."""
        look = self.store.load_latest if wait_for_commits else self.store.load
        return await self.database.read(lambda connection: look(connection, thread_id))

    @contextmanager
    def subscribe(self, thread_id: str) -> Iterator[asyncio.Event]:
        """An event that is set at every commit to the thread, for whoever follows it."""
        bell = asyncio.Event()
        self._subscribers[thread_id].add(bell)
        self._has_subscribers.set()
        try:
            yield bell
        finally:
            self._subscribers[thread_id].discard(bell)
            if not self._subscribers[thread_id]:
                del self._subscribers[thread_id]

    def notify(self, thread_id: str) -> None:
        """Tell those who follow the thread that there is news, perhaps from another process."""
        for bell in self._subscribers.get(thread_id, ()):
            bell.set()

    async def watched_threads(self) -> list[str]:
        """The threads somebody here follows now, once there are any."""
        while not self._subscribers:
            self._has_subscribers.clear()
            await self._has_subscribers.wait()
        return list(self._subscribers)

    def _decide_and_append(
        self, connection: Connection, writes: WriteBatch, thread_id: str | None, decide: Decider, *, for_update: bool
    ) -> CommitResult:
        if thread_id is None:
            return self._append(writes, EMPTY_STATE, decide(EMPTY_STATE))
        likely = self.store.cached(thread_id) if self.is_optimistic and not for_update else None
        if likely is not None and likely.unreadable is None and (events := decide(likely)):
            return self._append(writes, likely, events)
        before = self.store.load(connection, thread_id, for_update=for_update)
        _check_readable(before)
        return self._append(writes, before, decide(before))

    def _append(self, writes: WriteBatch, before: ThreadState, new_events: Sequence[KnownEvent]) -> CommitResult:
        if not new_events:
            return CommitResult(before, before)
        events, after, touched = self._fold(before, tuple(map(truncate_texts, new_events)))
        self.store.append(writes, before, events, after)
        _write_requests(writes, before, [r for r in touched.values() if r.thread_id == after.thread_id])
        _write_outbox(writes, before, after)
        recorded = CommitResult(before, after, events, touched)
        if self.enqueue_jobs is not None:
            self.enqueue_jobs(writes, recorded)
        return recorded

    def _fold(self, before: ThreadState, events: Events) -> tuple[Events, ThreadState, dict[str, Request]]:
        """The events with what they say to readers of the log, the state after them, and every request they touched."""
        state, touched, written = before, dict[str, Request](), list[KnownEvent]()
        while events:
            for event in events:
                state = reduce(state, event)
                touched.update({request.id: request for request in state.requests})
            written += events
            events = tuple(self._pull_channel_events(state, written[-1].at)) if state.pending_messages else ()
        return tuple(written), state, touched

    def _pull_channel_events(self, state: ThreadState, at: datetime) -> Iterator[KnownEvent]:
        """What readers of the log see at once, and what follows from that."""
        for event in pull_channel_deliveries(state, self.pull_channels, at):
            yield event
            yield from escalation_follow_ups(state, event, self.people)

    def _publish(self, commit: CommitResult) -> None:
        if not commit.events:
            return
        self.store.update_cache(commit.after)
        self.notify(commit.after.thread_id)
        for listener in self.listeners:
            listener(commit)


def _check_readable(state: ThreadState) -> None:
    if state.unreadable is not None:
        raise WrongState(
            f"thread {state.thread_id} holds an event this Handrail cannot read ({state.unreadable}): "
            "it is paused; use the version that wrote it",
            details={"status": state.status},
        )


def _write_requests(writes: WriteBatch, before: ThreadState, touched: Sequence[Request]) -> None:
    """A fork folds its parent's requests too; those were left out: they are not its own."""
    for request in touched:
        known = before.get_request(request.id)
        if known is None:
            insert_request(writes, request)
        elif known is not request:
            update_request(writes, known, request)


def _write_outbox(writes: WriteBatch, before: ThreadState, after: ThreadState) -> None:
    if before.pending_messages is after.pending_messages or after.updated_at is None:
        return
    wanted = {m.key for m in after.pending_messages}
    outbox.remove(writes, after.thread_id, (m.key for m in before.pending_messages if m.key not in wanted))
    outbox.enqueue(writes, after.thread_id, new_messages(before, after), after.updated_at, after.version)


def new_messages(before: ThreadState, after: ThreadState) -> tuple[SendMessage, ...]:
    """The messages that are on their way after a change and were not before."""
    known = {m.key for m in before.pending_messages}
    return tuple(m for m in pending_sends(after) if m.key not in known)
