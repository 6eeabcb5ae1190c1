"""Lists of threads and requests: the names (addresses and roles) that may see a thread, and keyset pagination.

The names have one row each, so that a list reads only visible threads. A page begins after a position, without counting
the rows before it.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, exists, select, tuple_

from agents.core.errors import VersionConflict
from agents.core.rights import Viewer, audience_addresses
from agents.core.state import ThreadState
from storage.database.tables import DeleteRow, InsertRow, ThreadViewerRow
from storage.database.transactions import WriteBatch

Position = tuple[datetime, str]
"""Time and id of the last row of the previous page."""


def newest_first(
    query: Select[Any], at: Column[datetime], row_id: Column[str], before: Position | None, limit: int
) -> Select[Any]:
    """Return the query for at most `limit` rows, newest first, that are older than the position `before`."""
    if before is not None:
        query = query.where(tuple_(at, row_id) < before)
    return query.order_by(at.desc(), row_id.desc()).limit(limit)


_viewer = ThreadViewerRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

MAX_NAMED_THREADS = 2000
"""If a viewer may see at most this many threads, lists read them by id; otherwise they are read by age and filtered."""

_INSERT = InsertRow("thread_viewer", ("thread_id", "name"))
_DELETE = DeleteRow("thread_viewer", "thread_id = {thread_id} AND name = {name}")


def write_viewers(writes: WriteBatch, before: ThreadState, after: ThreadState) -> None:
    """Insert the names that may see the thread from now on, and delete those that no longer may."""
    if _viewer_fields(before) == _viewer_fields(after):
        return
    known, now = audience_addresses(before), audience_addresses(after)
    deleted = ({"thread_id": after.thread_id, "name": name} for name in sorted(known - now))
    added = ({"thread_id": after.thread_id, "name": name} for name in sorted(now - known))
    writes.add(_DELETE, deleted)
    writes.add(_INSERT, added, conflict_error=VersionConflict)


def restrict_to_viewer(
    connection: Connection, query: Select[tuple[object]], thread_column: Column[str], viewer: Viewer
) -> Select[tuple[object]]:
    """Return the query, restricted to rows whose thread the viewer may see."""
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
