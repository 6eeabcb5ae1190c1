"""Replay: fold a whole log again, page by page, and compare with what is kept beside it."""

from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy import Connection, Row, select

from agents.rights import thread_not_found
from agents.state import ThreadState
from storage.compatibility import NEWER_BUILD_REASON, fold_readable
from storage.database import Database
from storage.event_store import PAGE_SIZE, events_after, parse_stored_state, projection
from storage.tables import ThreadRow

_thread = ThreadRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes


@dataclass(frozen=True)
class ReplayResult:
    """What a whole log folds to now, and whether all that is kept beside it says the same.

    `unreadable` is what this build cannot read of it, if there is something: only the build that wrote it can tell.
    """

    state: ThreadState
    is_match: bool
    unreadable: str | None = None


@dataclass
class Replayer:
    """A replay under way. It goes up to the version the thread had when it began: others may write on meanwhile."""

    row: Row[Any]
    stored_state: ThreadState | None
    state: ThreadState = field(default_factory=ThreadState)

    @classmethod
    def start(cls, connection: Connection, thread_id: str) -> Self:
        """Raises ThreadNotFound."""
        row = connection.execute(select(_thread).where(_thread.c.id == thread_id)).first()
        if row is None:
            raise thread_not_found(thread_id)
        return cls(row, parse_stored_state(row.state))

    def fold_next_page(self, connection: Connection) -> bool:
        """Fold one page more; whether that was the last one."""
        wanted = min(PAGE_SIZE, self.row.version - self.state.version)
        page = events_after(connection, self.row.id, self.state.version, wanted) if wanted > 0 else []
        self.state = fold_readable(self.state, (event for _, event in page))
        if self.stored_state is not None:
            behind = self.stored_state.version
            self.stored_state = fold_readable(self.stored_state, (event for seq, event in page if seq > behind))
        return len(page) < PAGE_SIZE

    def result(self) -> ReplayResult:
        same_row = all(getattr(self.row, name) == value for name, value in projection(self.state).items())
        matches = same_row and self.stored_state == self.state
        unreadable = self.state.unreadable or (NEWER_BUILD_REASON if self.stored_state is None else None)
        return ReplayResult(self.state, matches, unreadable)


async def replay(database: Database, thread_id: str) -> ReplayResult:
    """Fold a thread's log again and compare; others read and write between two pages. Raises ThreadNotFound."""
    replaying = await database.read(lambda connection: Replayer.start(connection, thread_id))
    while not await database.read(replaying.fold_next_page):
        pass
    return replaying.result()


def replay_on_connection(connection: Connection, thread_id: str) -> ReplayResult:
    """The same on a connection nobody else waits for. Raises ThreadNotFound."""
    replaying = Replayer.start(connection, thread_id)
    while not replaying.fold_next_page(connection):
        pass
    return replaying.result()


async def fold_until_version(database: Database, thread_id: str, version: int) -> ThreadState:
    """The state a thread had after so many events; others read and write between two pages."""
    state = ThreadState()

    def go_on(connection: Connection) -> ThreadState:
        page = events_after(connection, thread_id, state.version, min(PAGE_SIZE, version - state.version))
        return fold_readable(state, (event for _, event in page))

    while state.version < version:
        before, state = state, await database.read(go_on)
        if state is before:
            break
    return state
