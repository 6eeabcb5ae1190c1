"""Wake-ups, read from the threads' projection: there is no second store that could be lost or disagree."""

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
