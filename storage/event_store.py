"""Threads: append with the expected version, load, list. The folded state is kept beside the log as a cache."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import BigInteger, Connection, Select, Update, bindparam, case, func, insert, select, text, update

from agents.addresses import Address
from agents.deadlines import next_deadline
from agents.errors import VersionConflict
from agents.events import Event, ThreadForked
from agents.next_step import next_work
from agents.rights import Viewer, thread_not_found
from agents.state import ThreadState
from storage.codec import dump_state, event_from_row, event_to_row, parse_state
from storage.compatibility import fold_readable, unreadable_thread
from storage.compiled_queries import select_first
from storage.state_cache import StateCache
from storage.tables import EventRow, ThreadRow
from storage.viewers import restrict_to_viewer, write_viewers
from storage.write_batch import WriteBatch

_thread = ThreadRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes
_event = EventRow.__table__  # type: ignore[attr-defined]  # the same

_SELECT_STATE = select(_thread.c.version, _thread.c.state).where(_thread.c.id == bindparam("thread"))
_SELECT_ROW = select(_thread).where(_thread.c.id == bindparam("thread"))
PAGE_SIZE = 200
"""Events read at once: a long log goes through memory in parts."""
_MAX_TAIL_EVENTS = 50
"""Events we rather fold than read a whole state."""
_SELECT_NEWER_STATE = select(
    _thread.c.version,
    case(
        (_thread.c.version.between(bindparam("known"), bindparam("known") + _MAX_TAIL_EVENTS), None),
        else_=_thread.c.state,
    ).label("state"),
).where(_thread.c.id == bindparam("thread"))
_SELECT_FOR_UPDATE = _SELECT_NEWER_STATE.with_for_update(key_share=True)
_SELECT_LATEST = _SELECT_FOR_UPDATE.add_columns(func.set_config("synchronous_commit", "off", True))
"""Its lock is written down, and that is nothing to wait for the disk for: only where the read stands alone."""
_UNFINISHED_COLUMNS = ("status", "version", "unfinished", "wake_at", "updated_at")
_IDLE_COLUMNS = (*_UNFINISHED_COLUMNS, "state")
_UPDATE_UNFINISHED, _UPDATE_IDLE = (
    update(_thread)
    .where(_thread.c.id == bindparam("thread"), _thread.c.version == bindparam("expected"))
    .values({name: bindparam(name) for name in names})
    for names in (_UNFINISHED_COLUMNS, _IDLE_COLUMNS)
)
_INSERT_THREAD, _INSERT_EVENT = insert(_thread), insert(_event)
_COPY_EVENTS = text(
    "INSERT INTO event (thread_id, seq, type, v, at, actor, data) "
    "SELECT :fork, seq, type, v, at, actor, data FROM event WHERE thread_id = :parent AND seq <= :upto"
)
_SELECT_EVENTS = (
    select(_event)
    .where(_event.c.thread_id == bindparam("thread"), _event.c.seq > bindparam("after", type_=BigInteger))
    .order_by(_event.c.seq)
    .limit(bindparam("limit"))
)


@dataclass
class ThreadStore:
    """The thread store. `remembered` keeps the latest states.

    While this process alone writes they are right as they are, and include what is not committed yet. In a `shared`
    database only committed ones are kept, and each is believed only while the row has its version.
    """

    is_multi_process: bool = False
    _cache: StateCache = field(default_factory=StateCache)

    def clear_cache(self) -> None:
        """Drop what a rolled-back transaction may have left."""
        self._cache.clear()

    def load(self, connection: Connection, thread_id: str, *, for_update: bool = False) -> ThreadState:
        """The state as of the last commit. Raises ThreadNotFound.

        `settled` waits for whoever is writing to the thread, and keeps others from it until this transaction ends.
        """
        if self.is_multi_process:
            return self._load_current(connection, thread_id, _SELECT_FOR_UPDATE if for_update else _SELECT_NEWER_STATE)
        if (known := self._cache.get(thread_id)) is not None:
            return known
        return self._cache_state(load_uncached(connection, thread_id))

    def load_latest(self, connection: Connection, thread_id: str) -> ThreadState:
        """The state once nobody is writing to the thread. Raises ThreadNotFound.

        For a read that stands alone: in a transaction it would have the commit not wait for the disk.
        """
        return (
            self._load_current(connection, thread_id, _SELECT_LATEST)
            if self.is_multi_process
            else self.load(connection, thread_id)
        )

    def cached(self, thread_id: str) -> ThreadState | None:
        """The state it probably has: appending to it shows."""
        return self._cache.get(thread_id)

    def update_cache(self, state: ThreadState) -> None:
        """Told of what was committed, perhaps after being told of what was committed later."""
        known = self._cache.get(state.thread_id)
        if self.is_multi_process and (known is None or known.version < state.version):
            self._cache_state(state)

    def append(self, writes: WriteBatch, before: ThreadState, events: Sequence[Event], after: ThreadState) -> None:
        """Append to the log and renew the projection. VersionConflict follows when the log went on since `before`.

        To be called before anything else is written: whoever is late waits for whoever was earlier, and is told so.
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
        """Open a thread whose log is its parent's up to the fork, and `forked`. The database copies the events."""
        writes.add(_INSERT_THREAD, [thread_to_row(after)])
        writes.add(_COPY_EVENTS, [{"fork": after.thread_id, "parent": forked.parent, "upto": forked.at_seq}])
        writes.add(_INSERT_EVENT, [event_to_row(after.thread_id, after.version, forked)])
        write_viewers(writes, ThreadState(), after)
        if not self.is_multi_process:
            self._cache_state(after)

    def _load_current(self, connection: Connection, thread_id: str, query: Select[Any]) -> ThreadState:
        known = self._cache.get(thread_id)
        row = select_first(
            connection, query, {"thread": thread_id, "known": known.version if known else -_MAX_TAIL_EVENTS - 1}
        )
        if row is None:
            raise thread_not_found(thread_id)
        if row.state is None and known is not None:
            return self._cache_state(_fold_tail(connection, thread_id, known, row.version))
        return self._cache_state(_state_from_row(connection, thread_id, row.version, row.state))

    def _cache_state(self, state: ThreadState) -> ThreadState:
        self._cache.put(state)
        return state


def _projection_update(state: ThreadState, expected: int) -> tuple[Update, list[dict[str, Any]]]:
    """A thread at work moves on at once, so its state is kept only where it comes to rest; loading folds the tail."""
    row = projection(state) | {"thread": state.thread_id, "expected": expected}
    if row["unfinished"]:
        return _UPDATE_UNFINISHED, [row]
    return _UPDATE_IDLE, [row | {"state": dump_state(state)}]


def thread_to_row(state: ThreadState) -> dict[str, Any]:
    """All columns of a thread that is at rest, or new."""
    born = {
        "id": state.thread_id,
        "agent": state.agent,
        "requester": state.requester,
        "created_at": state.created_at,
    }
    return born | projection(state) | {"state": dump_state(state)}


def projection(state: ThreadState) -> dict[str, Any]:
    """The columns that are folded from the log."""
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
    """The log behind `after`, as (seq, event)."""
    rows = connection.execute(_SELECT_EVENTS, {"thread": thread_id, "after": after, "limit": limit})
    return [(row.seq, event_from_row(row)) for row in rows]  # type: ignore[arg-type]  # a Row has the attributes of an EventRow


def load_uncached(connection: Connection, thread_id: str) -> ThreadState:
    """The state as the database has it, past every memory. Raises ThreadNotFound."""
    row = connection.execute(_SELECT_STATE, {"thread": thread_id}).first()
    if row is None:
        raise thread_not_found(thread_id)
    return _state_from_row(connection, thread_id, row.version, row.state)


def _state_from_row(connection: Connection, thread_id: str, version: int, raw: str) -> ThreadState:
    """The state that is kept, or what its log folds to where this build cannot read what is kept."""
    state = parse_stored_state(raw)
    if state is None or state.version > version:
        state = ThreadState()
    return _fold_tail(connection, thread_id, state, version)


def parse_stored_state(raw: str) -> ThreadState | None:
    """The state in a row; None when it is none to this build."""
    try:
        return parse_state(raw)
    except ValidationError:
        return None


def _fold_tail(connection: Connection, thread_id: str, state: ThreadState, version: int) -> ThreadState:
    """The state as of `version`. Where the log does not even tell the thread's name, its row does."""
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
    before: tuple[datetime, str] | None = None,
) -> list[ThreadState]:
    """Threads, newest first, behind the position `before` (created_at, id); with a viewer only those they may see."""
    query = select(_thread).order_by(_thread.c.created_at.desc(), _thread.c.id.desc()).limit(limit)
    if status is not None:
        query = query.where(_thread.c.status == status)
    if agent is not None:
        query = query.where(_thread.c.agent == agent)
    if requester is not None:
        query = query.where(_thread.c.requester == requester)
    if viewer is not None:
        query = restrict_to_viewer(connection, query, _thread.c.id, viewer)
    if before is not None:
        at, thread_id = before
        older = (_thread.c.created_at < at) | ((_thread.c.created_at == at) & (_thread.c.id < thread_id))
        query = query.where(older)
    rows = connection.execute(query).all()
    return [_state_from_row(connection, row.id, row.version, row.state) for row in rows]
