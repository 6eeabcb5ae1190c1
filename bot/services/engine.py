"""Engine: decides on and appends the events of a thread, in one transaction with everything derived from them."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol

from sqlalchemy import Connection

from agents.core.errors import VersionConflict, WrongState
from agents.core.escalation import escalation_follow_ups
from agents.core.event_truncation import truncate_texts
from agents.core.events import KnownEvent, ThreadForked
from agents.core.next_step import SendMessage, pending_sends
from agents.core.people import People
from agents.core.reducer import reduce
from agents.core.requests import Request
from agents.core.state import ThreadState
from bot.services.delivery_events import pull_channel_deliveries
from channels.base import PullChannel
from storage import inbox, outbox
from storage.database.database import Database
from storage.database.transactions import WriteBatch
from storage.event_store import ThreadStore
from storage.requests import insert_request, update_request

Events = tuple[KnownEvent, ...]
Decider = Callable[[ThreadState], Sequence[KnownEvent]]
"""Function from the current state to the events to append; none when there is nothing to do any more."""

EMPTY_STATE = ThreadState()
MAX_COMMIT_ATTEMPTS = 20
"""Version conflicts in a row after which a commit fails; each means that another writer succeeded."""


@dataclass(frozen=True)
class CommitResult:
    """Result of one transaction on a thread. With `duplicate_of` the same input was processed before: no change.

    `is_by_runner` tells whether the worker that runs the thread made the commit.
    """

    before: ThreadState
    after: ThreadState
    events: tuple[KnownEvent, ...] = ()
    requests: Mapping[str, Request] = field(default_factory=dict)
    duplicate_of: inbox.PreviousResult | None = None
    is_by_runner: bool = False


ResponseRenderer = Callable[[CommitResult], str]
ExtraWrites = Callable[[WriteBatch, CommitResult], None]
"""Function of the caller of `apply` that adds writes to the same transaction."""
JobEnqueuer = Callable[[WriteBatch, CommitResult], None]
"""Function called in every transaction that appends events; its jobs are committed or rolled back with them."""
CommitListener = Callable[[CommitResult], None]
"""Function called on the event loop after every commit. On PostgreSQL the order of concurrent commits may differ."""


class TransactionBody(Protocol):
    """Body of a transaction on a thread. With `for_update` it locks the thread's row and so waits for other writers."""

    def __call__(self, connection: Connection, writes: WriteBatch, /, *, for_update: bool) -> CommitResult: ...


@dataclass
class Engine:
    """Engine that appends events and their projections, outbox messages and claim in one transaction.

    It calls its listeners after the commit.
    """

    database: Database
    store: ThreadStore
    pull_channels: Mapping[str, PullChannel] = field(default_factory=dict)
    enqueue_jobs: JobEnqueuer | None = None
    people: People = field(default_factory=People)
    listeners: list[CommitListener] = field(default_factory=list)
    _subscribers: dict[str, set[asyncio.Event]] = field(default_factory=lambda: defaultdict(set))
    _has_subscribers: asyncio.Event = field(default_factory=asyncio.Event)

    async def apply(
        self,
        thread_id: str | None,
        decide: Decider,
        *,
        run_state: ThreadState | None = None,
        claim: inbox.IdempotencyClaim | None = None,
        render_response: ResponseRenderer | None = None,
        extra_writes: ExtraWrites | None = None,
    ) -> CommitResult:
        """Append the events that `decide` returns for the thread's current state; thread_id None opens a thread.

        `run_state` is the state that the run of the thread has reached, if its worker calls. In a database of several
        processes it is decided on without reading it again; the version check of the append detects a stale one.

        `claim` identifies the input: a duplicate is not decided, and gets the stored response of the first arrival. A
        version conflict reloads the state and decides again. Raises what `decide` raises, ThreadNotFound,
        DuplicateCode and StoreUnavailable.
        """

        def body(connection: Connection, writes: WriteBatch, *, for_update: bool) -> CommitResult:
            usable_state = None if for_update else run_state
            before, events = self._decide(connection, thread_id, decide, usable_state, for_update=for_update)
            commit = self._append(writes, before, events, is_by_runner=run_state is not None)
            if extra_writes is not None and commit.events:
                extra_writes(writes, commit)
            return commit

        return await self._commit(body, claim, render_response)

    async def fork(
        self,
        state_at_fork: ThreadState,
        fork_event: ThreadForked,
        *,
        claim: inbox.IdempotencyClaim | None = None,
        render_response: ResponseRenderer | None = None,
    ) -> CommitResult:
        """Open a thread that begins with the events of its parent; `state_at_fork` is the parent's state there.

        The database copies the events in one statement, so no transaction reads and writes them one by one. Raises
        StoreUnavailable.
        """
        commit = CommitResult(EMPTY_STATE, reduce(state_at_fork, fork_event), (fork_event,))

        def body(_connection: Connection, writes: WriteBatch, *, for_update: bool) -> CommitResult:  # noqa: ARG001 - TransactionBody
            self.store.append_fork(writes, fork_event, commit.after)
            if self.enqueue_jobs is not None:
                self.enqueue_jobs(writes, commit)
            return commit

        return await self._commit(body, claim, render_response)

    async def _commit(
        self, body: TransactionBody, claim: inbox.IdempotencyClaim | None, render_response: ResponseRenderer | None
    ) -> CommitResult:
        def transaction(connection: Connection, writes: WriteBatch, *, for_update: bool) -> CommitResult:
            if claim is not None and (duplicate := inbox.find_duplicate(connection, claim)) is not None:
                return CommitResult(EMPTY_STATE, EMPTY_STATE, duplicate_of=duplicate)
            commit = body(connection, writes, for_update=for_update)
            if claim is not None and commit.after.updated_at is not None:
                response = render_response(commit) if render_response else None
                inbox.record_claim(writes, claim, commit.after.thread_id, commit.after.updated_at, response)
            return commit

        for attempt in range(MAX_COMMIT_ATTEMPTS):
            is_retry = attempt > 0
            with suppress(VersionConflict):
                return await self.database.commit_batch(
                    partial(transaction, for_update=is_retry), self._publish, for_update=is_retry
                )
        raise VersionConflict

    async def load(self, thread_id: str, *, wait_for_commits: bool = False) -> ThreadState:
        """Load the state as of the last commit; `wait_for_commits`: after those in progress. Raises ThreadNotFound."""
        load = self.store.load_latest if wait_for_commits else self.store.load
        return await self.database.read(lambda connection: load(connection, thread_id))

    @contextmanager
    def subscribe(self, thread_id: str) -> Iterator[asyncio.Event]:
        """Yield an asyncio.Event that is set at every commit to the thread."""
        commit_event = asyncio.Event()
        self._subscribers[thread_id].add(commit_event)
        self._has_subscribers.set()
        try:
            yield commit_event
        finally:
            self._subscribers[thread_id].discard(commit_event)
            if not self._subscribers[thread_id]:
                del self._subscribers[thread_id]

    def notify(self, thread_id: str) -> None:
        """Wake up the subscribers of the thread after a commit, which another process may have made."""
        for commit_event in self._subscribers.get(thread_id, ()):
            commit_event.set()

    async def watched_threads(self) -> list[str]:
        """Wait until there are subscribers, and return the ids of their threads."""
        while not self._subscribers:
            self._has_subscribers.clear()
            await self._has_subscribers.wait()
        return list(self._subscribers)

    def _decide(
        self,
        connection: Connection,
        thread_id: str | None,
        decide: Decider,
        run_state: ThreadState | None,
        *,
        for_update: bool,
    ) -> tuple[ThreadState, Sequence[KnownEvent]]:
        """Return the state that was decided on, and the events. That nothing is to be done is decided on a new read."""
        if thread_id is None:
            return EMPTY_STATE, decide(EMPTY_STATE)
        if run_state is not None and self.database.is_multi_process and (events := decide(run_state)):
            return run_state, events
        before = self.store.load(connection, thread_id, for_update=for_update)
        _check_readable(before)
        return before, decide(before)

    def _append(
        self, writes: WriteBatch, before: ThreadState, new_events: Sequence[KnownEvent], *, is_by_runner: bool
    ) -> CommitResult:
        if not new_events:
            return CommitResult(before, before)
        events, after, latest_requests = self._fold(before, tuple(map(truncate_texts, new_events)))
        self.store.append(writes, before, events, after)
        _write_requests(writes, before, [r for r in latest_requests.values() if r.thread_id == after.thread_id])
        _write_outbox(writes, before, after)
        commit = CommitResult(before, after, events, latest_requests, is_by_runner=is_by_runner)
        if self.enqueue_jobs is not None:
            self.enqueue_jobs(writes, commit)
        return commit

    def _fold(self, before: ThreadState, events: Events) -> tuple[Events, ThreadState, dict[str, Request]]:
        """Return the events with their deliveries to pull channels, the state after them, and the requests by id."""
        state, latest_requests, all_events = before, dict[str, Request](), list[KnownEvent]()
        while events:
            for event in events:
                state = reduce(state, event)
                latest_requests.update({request.id: request for request in state.requests})
            all_events += events
            events = tuple(self._pull_channel_events(state, all_events[-1].at)) if state.pending_messages else ()
        return tuple(all_events), state, latest_requests

    def _pull_channel_events(self, state: ThreadState, at: datetime) -> Iterator[KnownEvent]:
        """Yield the deliveries to pull channels, and the escalation events that follow from them."""
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
            f"thread {state.thread_id} is paused: this version of Handrail cannot read one of its events "
            f"({state.unreadable}); use the version that wrote that event",
            details={"status": state.status},
        )


def _write_requests(writes: WriteBatch, before: ThreadState, latest_requests: Sequence[Request]) -> None:
    """Write the thread's own requests. The caller has left out those of the parent, which a fork's state also has."""
    for request in latest_requests:
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
    """Return the messages that are pending after a change and were not before."""
    known = {m.key for m in before.pending_messages}
    return tuple(m for m in pending_sends(after) if m.key not in known)
