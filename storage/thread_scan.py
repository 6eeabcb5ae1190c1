"""Scan of the newest threads for those that this build cannot read or whose agent is not configured."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Self

from sqlalchemy import Connection

from agents.core.state import ThreadState
from agents.core.values import FrozenModel
from storage.database.database import Database
from storage.event_store import PAGE_SIZE, list_thread_states

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
    """Result of a scan. `causes` are unreadable event types, and names of missing agents."""

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


def scan_threads(connection: Connection, agents: Collection[str]) -> ThreadScan:
    """Scan on one connection, such as one of a command."""
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
    """Return the position of the last thread in the order of lists."""
    last = page[-1]
    return None if last.created_at is None else (last.created_at, last.thread_id)
