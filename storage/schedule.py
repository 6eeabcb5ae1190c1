"""Timers and unfinished work, read from the thread projection: no second store can be lost or disagree.

A rate limit, shared by all processes, blocks a named resource until a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select, text

from storage.database.tables import RateLimitRow, ThreadRow, UtcTime

_thread = ThreadRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

_SELECT_NEXT = select(func.min(_thread.c.wake_at)).where(_thread.c.wake_at.is_not(None))
_SELECT_NEXT_AFTER = _SELECT_NEXT.where(_thread.c.wake_at > bindparam("after"))
_SELECT_DUE_IDS = (
    select(_thread.c.id)
    .where(_thread.c.wake_at.is_not(None), _thread.c.wake_at <= bindparam("now"))
    .order_by(_thread.c.wake_at)
    .limit(bindparam("limit"))
)
_SELECT_DUE = (
    select(_thread.c.wake_at, _thread.c.id)
    .where(_thread.c.wake_at.is_not(None), _thread.c.wake_at <= bindparam("now"))
    .order_by(_thread.c.wake_at, _thread.c.id)
    .limit(bindparam("limit"))
)
_SELECT_DUE_AFTER = _SELECT_DUE.where(
    (_thread.c.wake_at > bindparam("at"))
    | ((_thread.c.wake_at == bindparam("at")) & (_thread.c.id > bindparam("after_id")))
)
_SELECT_UNFINISHED = select(_thread.c.id).where(_thread.c.unfinished)


@dataclass(frozen=True)
class DueThread:
    """A thread, and the time at which it became due."""

    due_at: datetime
    thread_id: str


@dataclass(frozen=True)
class OldestThread:
    """A thread with unfinished work, and the time of its last event."""

    thread_id: str
    status: str
    updated_at: datetime


@dataclass(frozen=True)
class Backlog:
    """Number of threads with unfinished work, and the one without progress for the longest time."""

    threads: int
    oldest: OldestThread | None


def next_wake_at(connection: Connection, after: datetime | None = None) -> datetime | None:
    """Return the time of the earliest timer of all threads, or of the earliest one after `after`."""
    if after is None:
        return connection.execute(_SELECT_NEXT).scalar()
    return connection.execute(_SELECT_NEXT_AFTER, {"after": after}).scalar()


def list_due_after(connection: Connection, now: datetime, after: DueThread | None, limit: int) -> list[DueThread]:
    """Return the next page of due threads, those that follow `after`, the longest overdue first."""
    if after is None:
        rows = connection.execute(_SELECT_DUE, {"now": now, "limit": limit})
    else:
        position = {"at": after.due_at, "after_id": after.thread_id}
        rows = connection.execute(_SELECT_DUE_AFTER, {"now": now, "limit": limit, **position})
    return [DueThread(row.wake_at, row.id) for row in rows]


def list_due_threads(connection: Connection, now: datetime, limit: int = 200) -> list[str]:
    """Return the ids of due threads, the longest overdue first."""
    return list(connection.execute(_SELECT_DUE_IDS, {"now": now, "limit": limit}).scalars())


def list_unfinished_threads(connection: Connection) -> list[str]:
    """Return the ids of the threads that had unfinished work when the process ended."""
    return list(connection.execute(_SELECT_UNFINISHED).scalars())


def list_stale_unfinished_threads(connection: Connection, cutoff: datetime, limit: int = 1000) -> list[str]:
    """Return the ids of threads with unfinished work and no event after `cutoff`, oldest first."""
    query = select(_thread.c.id).where(_thread.c.unfinished, _thread.c.updated_at < cutoff)
    return list(connection.execute(query.order_by(_thread.c.updated_at).limit(limit)).scalars())


def load_backlog(connection: Connection) -> Backlog:
    """Return the backlog of all workers together."""
    unfinished = select(_thread.c.id, _thread.c.status, _thread.c.updated_at).where(_thread.c.unfinished)
    row = connection.execute(unfinished.order_by(_thread.c.updated_at).limit(1)).first()
    if row is None:
        return Backlog(0, None)
    count = connection.execute(select(func.count()).where(_thread.c.unfinished)).scalar_one()
    return Backlog(count, OldestThread(row.id, row.status, row.updated_at))


def thread_versions(connection: Connection, thread_ids: Sequence[str]) -> dict[str, int]:
    """Return the version of each of these threads."""
    query = select(_thread.c.id, _thread.c.version).where(_thread.c.id.in_(thread_ids))
    return {row.id: row.version for row in connection.execute(query)}


_pause = RateLimitRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

_UPSERT = text(
    "INSERT INTO pause (name, until) VALUES (:name, :until) "
    "ON CONFLICT (name) DO UPDATE SET until = excluded.until WHERE pause.until < excluded.until"
).bindparams(bindparam("until", type_=UtcTime))
_SELECT_UNTIL = select(_pause.c.until).where(_pause.c.name == bindparam("name"))


def block_until(connection: Connection, name: str, until: datetime) -> None:
    """Block the resource until then. The latest time counts."""
    connection.execute(_UPSERT, {"name": name, "until": until})


def blocked_until(connection: Connection, name: str) -> datetime | None:
    """Return the end of the latest block, which may be past, or None."""
    return connection.execute(_SELECT_UNTIL, {"name": name}).scalar()
