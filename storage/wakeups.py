"""Wake-ups, read from the threads' projection: there is no second store that could be lost or disagree."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select

from storage.tables import ThreadRow

_thread = ThreadRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

_NEXT = select(func.min(_thread.c.wake_at)).where(_thread.c.wake_at.is_not(None))
_DUE = (
    select(_thread.c.id)
    .where(_thread.c.wake_at.is_not(None), _thread.c.wake_at <= bindparam("now"))
    .order_by(_thread.c.wake_at)
    .limit(bindparam("limit"))
)
_UNFINISHED = select(_thread.c.id).where(_thread.c.unfinished)


def next_wake(connection: Connection) -> datetime | None:
    """The earliest time at which the clock has something to do."""
    return connection.execute(_NEXT).scalar()


def due_threads(connection: Connection, now: datetime, limit: int = 200) -> list[str]:
    """Threads whose time has come, the longest overdue first."""
    return list(connection.execute(_DUE, {"now": now, "limit": limit}).scalars())


def unfinished_threads(connection: Connection) -> list[str]:
    """Threads that were at work when the process ended."""
    return list(connection.execute(_UNFINISHED).scalars())


def left_unfinished(connection: Connection, since: datetime, limit: int = 1000) -> list[str]:
    """Threads that have something to do and were not touched since then, the longest first."""
    query = select(_thread.c.id).where(_thread.c.unfinished, _thread.c.updated_at < since)
    return list(connection.execute(query.order_by(_thread.c.updated_at).limit(limit)).scalars())


def versions(connection: Connection, thread_ids: Sequence[str]) -> dict[str, int]:
    """How far each of these threads has come."""
    query = select(_thread.c.id, _thread.c.version).where(_thread.c.id.in_(thread_ids))
    return {row.id: row.version for row in connection.execute(query)}
