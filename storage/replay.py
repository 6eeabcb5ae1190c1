"""Reading of many events or threads, page by page: replays of a whole log, and a scan for problems.

A replay compares a log, folded again, with the stored projection. The scan looks at the newest threads for those that
this build cannot read or whose agent is not configured.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Connection, Row, select

from agents.core.rights import thread_not_found
from agents.core.state import ThreadState
from agents.core.values import FrozenModel
from storage.codec import NEWER_BUILD_REASON, fold_readable
from storage.contacts import Contacts
from storage.database.database import Database
from storage.database.tables import ThreadRow
from storage.event_store import PAGE_SIZE, events_after, list_thread_states, parse_stored_state, projection
from storage.raw_inputs import Quarantine

_thread = ThreadRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes


@dataclass(frozen=True)
class ReplayResult:
    """The state a whole log folds to, and whether the stored projection matches it.

    `unreadable` describes what this build cannot read, if anything; only the build that wrote it can replay the thread.
    """

    state: ThreadState
    is_match: bool
    unreadable: str | None = None


@dataclass
class Replayer:
    """A running replay, up to the version the thread had at its start: other transactions may append meanwhile."""

    row: Row[Any]
    stored_state: ThreadState | None
    state: ThreadState = field(default_factory=ThreadState)

    @classmethod
    def start(cls, connection: Connection, thread_id: str) -> Self:
        """Start a replay. Raises ThreadNotFound."""
        row = connection.execute(select(_thread).where(_thread.c.id == thread_id)).first()
        if row is None:
            raise thread_not_found(thread_id)
        return cls(row, parse_stored_state(row.state))

    def fold_next_page(self, connection: Connection) -> bool:
        """Fold one more page. Returns whether it was the last one."""
        event_count = min(PAGE_SIZE, self.row.version - self.state.version)
        page = events_after(connection, self.row.id, self.state.version, event_count) if event_count > 0 else []
        self.state = fold_readable(self.state, (event for _, event in page))
        if self.stored_state is not None:
            version = self.stored_state.version
            self.stored_state = fold_readable(self.stored_state, (event for seq, event in page if seq > version))
        return len(page) < PAGE_SIZE

    def result(self) -> ReplayResult:
        is_same_row = all(getattr(self.row, name) == value for name, value in projection(self.state).items())
        is_match = is_same_row and self.stored_state == self.state
        unreadable = self.state.unreadable or (NEWER_BUILD_REASON if self.stored_state is None else None)
        return ReplayResult(self.state, is_match, unreadable)


async def replay(database: Database, thread_id: str) -> ReplayResult:
    """Replay a thread in one read per page, so that others are not blocked. Raises ThreadNotFound."""
    replayer = await database.read(lambda connection: Replayer.start(connection, thread_id))
    while not await database.read(replayer.fold_next_page):
        pass
    return replayer.result()


def replay_on_connection(connection: Connection, thread_id: str) -> ReplayResult:
    """Replay a thread on a connection of its own. Raises ThreadNotFound."""
    replayer = Replayer.start(connection, thread_id)
    while not replayer.fold_next_page(connection):
        pass
    return replayer.result()


async def fold_until_version(database: Database, thread_id: str, version: int) -> ThreadState:
    """Return the state a thread had after `version` events, in one read per page."""
    state = ThreadState()

    def fold_next_page(connection: Connection) -> ThreadState:
        page = events_after(connection, thread_id, state.version, min(PAGE_SIZE, version - state.version))
        return fold_readable(state, (event for _, event in page))

    while state.version < version:
        previous, state = state, await database.read(fold_next_page)
        if state is previous:
            break
    return state


MAX_SCANNED = 5_000
"""Maximum number of threads scanned, the newest: about two seconds of work."""

MAX_NAMED = 5
_ENDED = ("done", "failed", "cancelled")


class AffectedThreads(FrozenModel):
    """Threads with the same problem: their number, and at most MAX_NAMED of the newest ids and distinct `causes`."""

    count: int = 0
    thread_ids: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()

    def plus(self, thread_id: str, cause: str) -> Self:
        """Return a copy with one more thread."""
        causes = dict.fromkeys((*self.causes, cause))
        named = {"thread_ids": (*self.thread_ids, thread_id)[:MAX_NAMED], "causes": tuple(causes)[:MAX_NAMED]}
        return self.model_copy(update={"count": self.count + 1, **named})


class ThreadScan(FrozenModel):
    """Result of a scan of the newest threads.

    The `causes` of `unreadable` say what cannot be read (an event type, or a row of a newer build); those of
    `without_agent` name the missing agents.
    """

    scanned: int = 0
    unreadable: AffectedThreads = AffectedThreads()
    without_agent: AffectedThreads = AffectedThreads()

    def plus(self, states: Iterable[ThreadState], agents: Collection[str]) -> Self:
        """Return a copy with more threads. `agents` are the configured ones."""
        scan = self
        for state in states:
            scan = scan.model_copy(update={"scanned": scan.scanned + 1, **scan._problem_of(state, agents)})
        return scan

    def _problem_of(self, state: ThreadState, agents: Collection[str]) -> dict[str, AffectedThreads]:
        if state.unreadable is not None:
            return {"unreadable": self.unreadable.plus(state.thread_id, state.unreadable)}
        if state.active_agent not in agents and state.status not in _ENDED:
            return {"without_agent": self.without_agent.plus(state.thread_id, state.active_agent)}
        return {}


class ServerScan(ThreadScan):
    """Result of a scan by the running server: threads that cannot continue, and quarantined inputs."""

    quarantine: Quarantine = Quarantine()
    contacts: Contacts = Contacts()


def scan_threads(connection: Connection, agents: Collection[str]) -> ThreadScan:
    """Scan on an open connection, as `handrail doctor` does."""
    scan, before = ThreadScan(), None
    while page := _read_page(connection, scan, before):
        scan, before = scan.plus(page, agents), _last_position(page)
    return scan


async def scan_database(database: Database, agents: Collection[str]) -> ThreadScan:
    """Scan in one read per page, so that others are not blocked."""
    scan, before = ThreadScan(), None
    while page := await database.read(lambda connection: _read_page(connection, scan, before)):  # noqa: B023 - awaited here
        scan, before = scan.plus(page, agents), _last_position(page)
    return scan


def _read_page(connection: Connection, scan: ThreadScan, before: tuple[datetime, str] | None) -> list[ThreadState]:
    limit = min(PAGE_SIZE, MAX_SCANNED - scan.scanned)
    return list_thread_states(connection, limit=limit, before=before) if limit > 0 else []


def _last_position(page: list[ThreadState]) -> tuple[datetime, str] | None:
    """Return the position of the page's last thread: the next page, with older threads, begins after it."""
    last = page[-1]
    return None if last.created_at is None else (last.created_at, last.thread_id)
