"""The names each thread is for, one row each, so that a list need not read what it must not show."""

from sqlalchemy import Column, ColumnElement, Connection, Select, bindparam, delete, exists, insert, select

from agents.errors import VersionConflict
from agents.rights import Viewer, audience_names
from agents.state import ThreadState
from storage.tables import ThreadViewerRow
from storage.write_batch import WriteBatch

_viewer = ThreadViewerRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

MAX_NAMED_THREADS = 2000
"""A list for a viewer of at most so many threads reads those; for others it is read by age, and most of it is shown."""

_INSERT = insert(_viewer)
_DELETE = delete(_viewer).where(_viewer.c.thread_id == bindparam("thread"), _viewer.c.name == bindparam("viewer"))


def write_viewers(writes: WriteBatch, before: ThreadState, after: ThreadState) -> None:
    """Write down whom the thread is for now and was not before, and remove those it is no longer for."""
    if _viewer_fields(before) == _viewer_fields(after):
        return
    known, now = audience_names(before), audience_names(after)
    gone = ({"thread": after.thread_id, "viewer": name} for name in sorted(known - now))
    new = ({"thread_id": after.thread_id, "name": name} for name in sorted(now - known))
    writes.add(_DELETE, gone)
    writes.add(_INSERT, new, conflict_error=VersionConflict)


def restrict_to_viewer(
    connection: Connection, query: Select[tuple[object]], thread_column: Column[str], viewer: Viewer
) -> Select[tuple[object]]:
    """Return the query without rows whose `thread` is not for the viewer."""
    if viewer.is_admin:
        return query
    return query.where(_is_visible(connection, thread_column, sorted(viewer.names)))


def _is_visible(connection: Connection, thread_column: Column[str], names: list[str]) -> ColumnElement[bool]:
    named = select(_viewer.c.thread_id).where(_viewer.c.name.in_(names)).distinct().limit(MAX_NAMED_THREADS + 1)
    threads = connection.execute(named).scalars().all()
    if len(threads) <= MAX_NAMED_THREADS:
        return thread_column.in_(threads)
    return exists().where(_viewer.c.thread_id == thread_column, _viewer.c.name.in_(names))


def _viewer_fields(state: ThreadState) -> tuple[object, ...]:
    return (state.version > 0, state.requesters, state.deciders, state.origin)
