"""The names each thread is for, one row each, so that a list need not read what it must not show."""

from sqlalchemy import Column, ColumnElement, Connection, Select, bindparam, delete, exists, insert, select

from agents.errors import VersionConflict
from agents.rights import Viewer, audience
from agents.state import ThreadState
from storage.tables import ThreadViewerRow
from storage.writes import Writes

_row = ThreadViewerRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

MAX_NAMED_THREADS = 2000
"""A list for a viewer of at most so many threads reads those; for others it is read by age, and most of it is shown."""

_ADD = insert(_row)
_REMOVE = delete(_row).where(_row.c.thread_id == bindparam("thread"), _row.c.name == bindparam("viewer"))


def write_viewers(writes: Writes, before: ThreadState, after: ThreadState) -> None:
    """Write down whom the thread is for now and was not before, and remove those it is no longer for."""
    if _names(before) == _names(after):
        return
    known, now = audience(before), audience(after)
    gone = ({"thread": after.thread_id, "viewer": name} for name in sorted(known - now))
    new = ({"thread_id": after.thread_id, "name": name} for name in sorted(now - known))
    writes.add(_REMOVE, gone)
    writes.add(_ADD, new, refused=VersionConflict)


def visible(
    connection: Connection, query: Select[tuple[object]], thread: Column[str], viewer: Viewer
) -> Select[tuple[object]]:
    """Return the query without rows whose `thread` is not for the viewer."""
    if viewer.is_admin:
        return query
    return query.where(_is_visible(connection, thread, sorted(viewer.names)))


def _is_visible(connection: Connection, thread: Column[str], names: list[str]) -> ColumnElement[bool]:
    named = select(_row.c.thread_id).where(_row.c.name.in_(names)).distinct().limit(MAX_NAMED_THREADS + 1)
    threads = connection.execute(named).scalars().all()
    if len(threads) <= MAX_NAMED_THREADS:
        return thread.in_(threads)
    return exists().where(_row.c.thread_id == thread, _row.c.name.in_(names))


def _names(state: ThreadState) -> tuple[object, ...]:
    return (state.version > 0, state.requesters, state.deciders, state.origin)
