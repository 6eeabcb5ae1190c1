"""Threads: append with the expected version, load, list. The folded state is kept beside the log as a cache."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import BigInteger, Connection, Select, Update, bindparam, case, func, insert, select, text, update

from agents.addresses import Address
from agents.deadlines import wake_at
from agents.errors import VersionConflict
from agents.events import Event, ThreadForked
from agents.next_step import work
from agents.rights import Viewer, unknown_thread
from agents.state import ThreadState
from storage.codec import event_of, row_of, state_json, state_of
from storage.memory import Memory
from storage.questions import first
from storage.tables import EventRow, ThreadRow
from storage.unreadable import folded, unreadable_thread
from storage.viewers import visible, write_viewers
from storage.writes import Writes

_thread = ThreadRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes
_event = EventRow.__table__  # type: ignore[attr-defined]  # the same

_LOAD = select(_thread.c.version, _thread.c.state).where(_thread.c.id == bindparam("thread"))
_ROW = select(_thread).where(_thread.c.id == bindparam("thread"))
PAGE = 200
"""Events read at once: a long log goes through memory in parts."""
_FEW = 50
"""Events we rather fold than read a whole state."""
_CURRENT = select(
    _thread.c.version,
    case((_thread.c.version.between(bindparam("known"), bindparam("known") + _FEW), None), else_=_thread.c.state).label(
        "state"
    ),
).where(_thread.c.id == bindparam("thread"))
_SETTLED = _CURRENT.with_for_update(key_share=True)
_SETTLED_ALONE = _SETTLED.add_columns(func.set_config("synchronous_commit", "off", True))
"""Its lock is written down, and that is nothing to wait for the disk for: only where the read stands alone."""
_AT_WORK = ("status", "version", "unfinished", "wake_at", "updated_at")
_AT_REST = (*_AT_WORK, "state")
_MOVED, _RESTED = (
    update(_thread)
    .where(_thread.c.id == bindparam("thread"), _thread.c.version == bindparam("expected"))
    .values({name: bindparam(name) for name in names})
    for names in (_AT_WORK, _AT_REST)
)
_OPENED, _APPENDED = insert(_thread), insert(_event)
_COPIED = text(
    "INSERT INTO event (thread_id, seq, type, v, at, actor, data) "
    "SELECT :fork, seq, type, v, at, actor, data FROM event WHERE thread_id = :parent AND seq <= :upto"
)
_EVENTS = (
    select(_event)
    .where(_event.c.thread_id == bindparam("thread"), _event.c.seq > bindparam("after", type_=BigInteger))
    .order_by(_event.c.seq)
    .limit(bindparam("limit"))
)


@dataclass
class Threads:
    """The thread store. `remembered` keeps the latest states.

    While this process alone writes they are right as they are, and include what is not committed yet. In a `shared`
    database only committed ones are kept, and each is believed only while the row has its version.
    """

    shared: bool = False
    remembered: Memory = field(default_factory=Memory)

    def forget(self) -> None:
        """Drop what a rolled-back transaction may have left."""
        self.remembered.clear()

    def load(self, connection: Connection, thread_id: str, *, settled: bool = False) -> ThreadState:
        """The state as of the last commit. Raises ThreadNotFound.

        `settled` waits for whoever is writing to the thread, and keeps others from it until this transaction ends.
        """
        if self.shared:
            return self._current(connection, thread_id, _SETTLED if settled else _CURRENT)
        if (known := self.remembered.get(thread_id)) is not None:
            return known
        return self._remember(stored(connection, thread_id))

    def settled(self, connection: Connection, thread_id: str) -> ThreadState:
        """The state once nobody is writing to the thread. Raises ThreadNotFound.

        For a read that stands alone: in a transaction it would have the commit not wait for the disk.
        """
        return self._current(connection, thread_id, _SETTLED_ALONE) if self.shared else self.load(connection, thread_id)

    def likely(self, thread_id: str) -> ThreadState | None:
        """The state it probably has: appending to it shows."""
        return self.remembered.get(thread_id)

    def committed(self, state: ThreadState) -> None:
        """Told of what was committed, perhaps after being told of what was committed later."""
        known = self.remembered.get(state.thread_id)
        if self.shared and (known is None or known.version < state.version):
            self._remember(state)

    def append(self, writes: Writes, before: ThreadState, events: Sequence[Event], after: ThreadState) -> None:
        """Append to the log and renew the projection. VersionConflict follows when the log went on since `before`.

        To be called before anything else is written: whoever is late waits for whoever was earlier, and is told so.
        """
        if before.version == 0:
            writes.add(_OPENED, [row_of_thread(after)])
        else:
            writes.add(*_moved(after, before.version), refused=VersionConflict)
        rows = (row_of(after.thread_id, seq, event) for seq, event in enumerate(events, before.version + 1))
        writes.add(_APPENDED, rows, refused=VersionConflict)
        write_viewers(writes, before, after)
        if not self.shared:
            self._remember(after)

    def copy(self, writes: Writes, forked: ThreadForked, after: ThreadState) -> None:
        """Open a thread whose log is its parent's up to the fork, and `forked`. The database copies the events."""
        writes.add(_OPENED, [row_of_thread(after)])
        writes.add(_COPIED, [{"fork": after.thread_id, "parent": forked.parent, "upto": forked.at_seq}])
        writes.add(_APPENDED, [row_of(after.thread_id, after.version, forked)])
        write_viewers(writes, ThreadState(), after)
        if not self.shared:
            self._remember(after)

    def _current(self, connection: Connection, thread_id: str, query: Select[Any]) -> ThreadState:
        known = self.remembered.get(thread_id)
        row = first(connection, query, {"thread": thread_id, "known": known.version if known else -_FEW - 1})
        if row is None:
            raise unknown_thread(thread_id)
        if row.state is None and known is not None:
            return self._remember(_caught_up(connection, thread_id, known, row.version))
        return self._remember(_read(connection, thread_id, row.version, row.state))

    def _remember(self, state: ThreadState) -> ThreadState:
        self.remembered.put(state)
        return state


def _moved(state: ThreadState, expected: int) -> tuple[Update, list[dict[str, Any]]]:
    """A thread at work moves on at once, so its state is kept only where it comes to rest; loading folds the tail."""
    row = projection(state) | {"thread": state.thread_id, "expected": expected}
    if row["unfinished"]:
        return _MOVED, [row]
    return _RESTED, [row | {"state": state_json(state)}]


def row_of_thread(state: ThreadState) -> dict[str, Any]:
    """All columns of a thread that is at rest, or new."""
    born = {
        "id": state.thread_id,
        "agent": state.agent,
        "requester": state.requester,
        "created_at": state.created_at,
    }
    return born | projection(state) | {"state": state_json(state)}


def projection(state: ThreadState) -> dict[str, Any]:
    """The columns that are folded from the log."""
    return {
        "status": state.status,
        "version": state.version,
        "unfinished": bool(work(state)),
        "wake_at": wake_at(state),
        "updated_at": state.updated_at,
    }


def events_after(
    connection: Connection, thread_id: str, after: int = 0, limit: int = 1_000_000
) -> list[tuple[int, Event]]:
    """The log behind `after`, as (seq, event)."""
    rows = connection.execute(_EVENTS, {"thread": thread_id, "after": after, "limit": limit})
    return [(row.seq, event_of(row)) for row in rows]  # type: ignore[arg-type]  # a Row has the attributes of an EventRow


def stored(connection: Connection, thread_id: str) -> ThreadState:
    """The state as the database has it, past every memory. Raises ThreadNotFound."""
    row = connection.execute(_LOAD, {"thread": thread_id}).first()
    if row is None:
        raise unknown_thread(thread_id)
    return _read(connection, thread_id, row.version, row.state)


def _read(connection: Connection, thread_id: str, version: int, written: str) -> ThreadState:
    """The state that is kept, or what its log folds to where this build cannot read what is kept."""
    state = kept_state(written)
    if state is None or state.version > version:
        state = ThreadState()
    return _caught_up(connection, thread_id, state, version)


def kept_state(written: str) -> ThreadState | None:
    """The state in a row; None when it is none to this build."""
    try:
        return state_of(written)
    except ValidationError:
        return None


def _caught_up(connection: Connection, thread_id: str, state: ThreadState, version: int) -> ThreadState:
    """The state as of `version`. Where the log does not even tell the thread's name, its row does."""
    while state.version < version:
        missing = events_after(connection, thread_id, state.version, min(PAGE, version - state.version))
        if not missing:
            break
        state = folded(state, (event for _, event in missing))
    if state.thread_id == thread_id:
        return state
    return unreadable_thread(connection.execute(_ROW, {"thread": thread_id}).one(), state)


def listed(
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
        query = visible(connection, query, _thread.c.id, viewer)
    if before is not None:
        at, thread_id = before
        older = (_thread.c.created_at < at) | ((_thread.c.created_at == at) & (_thread.c.id < thread_id))
        query = query.where(older)
    rows = connection.execute(query).all()
    return [_read(connection, row.id, row.version, row.state) for row in rows]
