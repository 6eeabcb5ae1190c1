"""Replay: fold a whole log again, page by page, and compare with what is kept beside it."""

from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy import Connection, Row, select

from agents.rights import unknown_thread
from agents.state import ThreadState
from storage.database import Database
from storage.tables import ThreadRow
from storage.threads import PAGE, events_after, kept_state, projection
from storage.unreadable import NEWER, folded

_thread = ThreadRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes


@dataclass(frozen=True)
class Replay:
    """What a whole log folds to now, and whether all that is kept beside it says the same.

    `unreadable` is what this build cannot read of it, if there is something: only the build that wrote it can tell.
    """

    state: ThreadState
    matches: bool
    unreadable: str | None = None


@dataclass
class Replaying:
    """A replay under way. It goes up to the version the thread had when it began: others may write on meanwhile."""

    row: Row[Any]
    kept: ThreadState | None
    state: ThreadState = field(default_factory=ThreadState)

    @classmethod
    def of(cls, connection: Connection, thread_id: str) -> Self:
        """Raises ThreadNotFound."""
        row = connection.execute(select(_thread).where(_thread.c.id == thread_id)).first()
        if row is None:
            raise unknown_thread(thread_id)
        return cls(row, kept_state(row.state))

    def go_on(self, connection: Connection) -> bool:
        """Fold one page more; whether that was the last one."""
        wanted = min(PAGE, self.row.version - self.state.version)
        page = events_after(connection, self.row.id, self.state.version, wanted) if wanted > 0 else []
        self.state = folded(self.state, (event for _, event in page))
        if self.kept is not None:
            behind = self.kept.version
            self.kept = folded(self.kept, (event for seq, event in page if seq > behind))
        return len(page) < PAGE

    def result(self) -> Replay:
        same_row = all(getattr(self.row, name) == value for name, value in projection(self.state).items())
        matches = same_row and self.kept == self.state
        unreadable = self.state.unreadable or (NEWER if self.kept is None else None)
        return Replay(self.state, matches, unreadable)


async def replay(database: Database, thread_id: str) -> Replay:
    """Fold a thread's log again and compare; others read and write between two pages. Raises ThreadNotFound."""
    replaying = await database.read(lambda connection: Replaying.of(connection, thread_id))
    while not await database.read(replaying.go_on):
        pass
    return replaying.result()


def replayed(connection: Connection, thread_id: str) -> Replay:
    """The same on a connection nobody else waits for. Raises ThreadNotFound."""
    replaying = Replaying.of(connection, thread_id)
    while not replaying.go_on(connection):
        pass
    return replaying.result()


async def folded_up_to(database: Database, thread_id: str, version: int) -> ThreadState:
    """The state a thread had after so many events; others read and write between two pages."""
    state = ThreadState()

    def go_on(connection: Connection) -> ThreadState:
        page = events_after(connection, thread_id, state.version, min(PAGE, version - state.version))
        return folded(state, (event for _, event in page))

    while state.version < version:
        before, state = state, await database.read(go_on)
        if state is before:
            break
    return state
