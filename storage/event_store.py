"""Event store of threads: append with the expected version, load, list. The folded state is stored beside the log."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError
from sqlalchemy import BigInteger, Connection, Select, bindparam, case, func, select

from agents.core.deadlines import next_deadline
from agents.core.errors import VersionConflict
from agents.core.events import Event, ThreadForked
from agents.core.next_step import next_work
from agents.core.rights import Viewer, thread_not_found
from agents.core.state import ThreadState
from agents.core.values import Address
from storage.codec import dump_state, event_from_row, event_to_row, fold_readable, parse_state, unreadable_thread
from storage.database.postgres_pool import select_first
from storage.database.tables import CopyRows, EventRow, InsertRow, ThreadRow, UpdateRow
from storage.database.transactions import WriteBatch
from storage.listing import Position, newest_first, restrict_to_viewer, write_viewers
from storage.state_cache import StateCache

_thread = ThreadRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes
_event = EventRow.__table__  # type: ignore[attr-defined]  # the same

_SELECT_STATE = select(_thread.c.version, _thread.c.state).where(_thread.c.id == bindparam("thread"))
_SELECT_ROW = select(_thread).where(_thread.c.id == bindparam("thread"))
PAGE_SIZE = 200
"""Events per page, so that a long log is never in memory as a whole."""
_MAX_TAIL_EVENTS = 50
"""Up to this many missing events are folded onto the cached state instead of reading the stored state."""
_SELECT_NEWER_STATE = select(
    _thread.c.version,
    case(
        (_thread.c.version.between(bindparam("known"), bindparam("known") + _MAX_TAIL_EVENTS), None),
        else_=_thread.c.state,
    ).label("state"),
).where(_thread.c.id == bindparam("thread"))
_SELECT_FOR_UPDATE = _SELECT_NEWER_STATE.with_for_update(key_share=True)
_SELECT_LATEST = _SELECT_FOR_UPDATE.add_columns(func.set_config("synchronous_commit", "off", True))
"""Locks the row. The commit does not wait for the disk, which is safe only if nothing is written in the transaction."""
_INSERT_THREAD = InsertRow(
    "thread",
    (
        "id",
        "agent",
        "requester",
        "status",
        "version",
        "unfinished",
        "wake_at",
        "created_at",
        "updated_at",
        "state",
    ),
)
_UPDATE_UNFINISHED = UpdateRow(
    "thread",
    "status = {status}, version = {version}, unfinished = {unfinished}, wake_at = {wake_at}, updated_at = {updated_at}",
    "id = {id} AND version = {expected}",
)
_UPDATE_AT_REST = replace(_UPDATE_UNFINISHED, assignments=f"{_UPDATE_UNFINISHED.assignments}, state = {{state}}")
_INSERT_EVENT = InsertRow("event", ("thread_id", "seq", "type", "v", "at", "actor", "data"))
_COPY_EVENTS = CopyRows(
    "event",
    "INSERT INTO event (thread_id, seq, type, v, at, actor, data) "
    "SELECT {fork}, seq, type, v, at, actor, data FROM event WHERE thread_id = {parent} AND seq <= {upto}",
)
_SELECT_EVENTS = (
    select(_event)
    .where(_event.c.thread_id == bindparam("thread"), _event.c.seq > bindparam("after", type_=BigInteger))
    .order_by(_event.c.seq)
    .limit(bindparam("limit"))
)


@dataclass
class ThreadStore:
    """The event store, with a cache of the latest states.

    On SQLite this process is the only writer, so cached states are current and include uncommitted events. In a
    multi-process database only committed states are cached; newer events are folded onto them when they are loaded.
    """

    is_multi_process: bool = False
    _cache: StateCache = field(default_factory=StateCache)

    def clear_cache(self) -> None:
        """Clear the cache after a rollback, since it may hold states that were never committed."""
        self._cache.clear()

    def load(self, connection: Connection, thread_id: str, *, for_update: bool = False) -> ThreadState:
        """Return the current state; on SQLite it includes uncommitted events of this process. Raises ThreadNotFound.

        With `for_update` the row is locked until this transaction ends, after waiting for other writers.
        """
        if self.is_multi_process:
            return self._load_current(connection, thread_id, _SELECT_FOR_UPDATE if for_update else _SELECT_NEWER_STATE)
        if (known := self._cache.get(thread_id)) is not None:
            return known
        return self._cache_state(load_uncached(connection, thread_id))

    def load_latest(self, connection: Connection, thread_id: str) -> ThreadState:
        """Return the state after waiting for running commits to this thread. Raises ThreadNotFound.

        Call it as the only statement of a transaction: it turns off synchronous commit.
        """
        return (
            self._load_current(connection, thread_id, _SELECT_LATEST)
            if self.is_multi_process
            else self.load(connection, thread_id)
        )

    def update_cache(self, state: ThreadState) -> None:
        """In a multi-process database, cache a committed state, unless a later one is cached already."""
        known = self._cache.get(state.thread_id)
        if self.is_multi_process and (known is None or known.version < state.version):
            self._cache_state(state)

    def append(self, writes: WriteBatch, before: ThreadState, events: Sequence[Event], after: ThreadState) -> None:
        """Append events and update the projection. The commit raises VersionConflict if the log has grown.

        Call it before any other write of the batch, so that a concurrent writer waits here and gets VersionConflict.
        """
        if before.version == 0:
            writes.add(_INSERT_THREAD, [thread_to_row(after)])
        else:
            writes.add(*_projection_update(after, before.version), conflict_error=VersionConflict)
        rows = (event_to_row(after.thread_id, seq, event) for seq, event in enumerate(events, before.version + 1))
        writes.add(_INSERT_EVENT, rows, conflict_error=VersionConflict)
        write_viewers(writes, before, after)
        if not self.is_multi_process:
            self._cache_state(after)

    def append_fork(self, writes: WriteBatch, forked: ThreadForked, after: ThreadState) -> None:
        """Create a thread whose log is its parent's up to the fork, plus `forked`. The database copies the rows."""
        writes.add(_INSERT_THREAD, [thread_to_row(after)])
        writes.add(_COPY_EVENTS, [{"fork": after.thread_id, "parent": forked.parent, "upto": forked.at_seq}])
        writes.add(_INSERT_EVENT, [event_to_row(after.thread_id, after.version, forked)])
        write_viewers(writes, ThreadState(), after)
        if not self.is_multi_process:
            self._cache_state(after)

    def _load_current(self, connection: Connection, thread_id: str, query: Select[Any]) -> ThreadState:
        known = self._cache.get(thread_id)
        # Without a cached state no version is in the range, so the stored state is read.
        known_version = known.version if known else -_MAX_TAIL_EVENTS - 1
        row = select_first(connection, query, {"thread": thread_id, "known": known_version})
        if row is None:
            raise thread_not_found(thread_id)
        if row.state is None and known is not None:
            return self._cache_state(_fold_tail(connection, thread_id, known, row.version))
        return self._cache_state(_state_from_row(connection, thread_id, row.version, row.state))

    def _cache_state(self, state: ThreadState) -> ThreadState:
        self._cache.put(state)
        return state


def _projection_update(state: ThreadState, expected: int) -> tuple[UpdateRow, list[dict[str, Any]]]:
    """Return the update of the row. The state is stored only when no process has anything left to do (ADR 0008)."""
    row = projection(state) | {"id": state.thread_id, "expected": expected}
    if row["unfinished"]:
        return _UPDATE_UNFINISHED, [row]
    return _UPDATE_AT_REST, [row | {"state": dump_state(state)}]


def thread_to_row(state: ThreadState) -> dict[str, Any]:
    """Return all columns of a new thread, or of one at rest."""
    columns = {
        "id": state.thread_id,
        "agent": state.agent,
        "requester": state.requester,
        "created_at": state.created_at,
    }
    return columns | projection(state) | {"state": dump_state(state)}


def projection(state: ThreadState) -> dict[str, Any]:
    """Return the columns that events may change, except for the state itself."""
    return {
        "status": state.status,
        "version": state.version,
        "unfinished": bool(next_work(state)),
        "wake_at": next_deadline(state),
        "updated_at": state.updated_at,
    }


def events_after(
    connection: Connection, thread_id: str, after: int = 0, limit: int = 1_000_000
) -> list[tuple[int, Event]]:
    """Return the events after seq `after`, as (seq, event)."""
    rows = connection.execute(_SELECT_EVENTS, {"thread": thread_id, "after": after, "limit": limit})
    return [(row.seq, event_from_row(row)) for row in rows]  # type: ignore[arg-type]  # a Row has the attributes of an EventRow


def load_uncached(connection: Connection, thread_id: str) -> ThreadState:
    """Return the current state from the database, bypassing the cache. Raises ThreadNotFound."""
    row = connection.execute(_SELECT_STATE, {"thread": thread_id}).first()
    if row is None:
        raise thread_not_found(thread_id)
    return _state_from_row(connection, thread_id, row.version, row.state)


def _state_from_row(connection: Connection, thread_id: str, version: int, raw: str) -> ThreadState:
    """Return the stored state with all later events folded onto it; fold the whole log if the state is unreadable."""
    state = parse_stored_state(raw)
    if state is None or state.version > version:
        state = ThreadState()
    return _fold_tail(connection, thread_id, state, version)


def parse_stored_state(raw: str) -> ThreadState | None:
    """Return the state of a row, or None if it does not validate."""
    try:
        return parse_state(raw)
    except ValidationError:
        return None


def _fold_tail(connection: Connection, thread_id: str, state: ThreadState, version: int) -> ThreadState:
    """Fold the events up to `version` onto the state. If the log has no readable start, use the columns of the row."""
    while state.version < version:
        missing = events_after(connection, thread_id, state.version, min(PAGE_SIZE, version - state.version))
        if not missing:
            break
        state = fold_readable(state, (event for _, event in missing))
    if state.thread_id == thread_id:
        return state
    return unreadable_thread(connection.execute(_SELECT_ROW, {"thread": thread_id}).one(), state)


def list_thread_states(
    connection: Connection,
    *,
    limit: int,
    status: str | None = None,
    agent: str | None = None,
    requester: Address | None = None,
    viewer: Viewer | None = None,
    before: Position | None = None,
) -> list[ThreadState]:
    """Return threads, newest first: those older than `before` (created_at, id) and visible to `viewer`."""
    query = newest_first(select(_thread), _thread.c.created_at, _thread.c.id, before, limit)
    if status is not None:
        query = query.where(_thread.c.status == status)
    if agent is not None:
        query = query.where(_thread.c.agent == agent)
    if requester is not None:
        query = query.where(_thread.c.requester == requester)
    if viewer is not None:
        query = restrict_to_viewer(connection, query, _thread.c.id, viewer)
    rows = connection.execute(query).all()
    return [_state_from_row(connection, row.id, row.version, row.state) for row in rows]
