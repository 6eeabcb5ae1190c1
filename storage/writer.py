"""The one database thread: SQLite has one writer, so all transactions queue here, and those waiting share a commit.

Tried against an async driver and against a pool: a thread hop costs less than either, and nobody waits unfairly behind
SQLite's busy handler (docs/adr/0006).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Any

from sqlalchemy import Connection, Engine

from agents.errors import StoreUnavailable
from storage.driven import make
from storage.lock import FileLock
from storage.turns import Turn
from storage.writes import Writing, carrying_out

MOST_AT_ONCE = 64
"""Functions that share one commit; more would only make the first one wait longer."""
MOST_WAITING = 5_000
"""Functions that may wait for their turn; another one is told to come back."""


@dataclass
class Writer:
    """Runs functions over a Connection, each in a transaction of its own as far as it can tell.

    A function must be able to run again: it reads, decides and writes through its connection and nothing else.
    """

    engine: Engine
    lock: FileLock
    on_rollback: Callable[[], None]
    _line: "SimpleQueue[Turn | None]" = field(default_factory=SimpleQueue)
    _thread: Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = Thread(target=self._serve, name="database", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Finish what is queued, end the thread, and let another process in."""
        self._line.put(None)
        self._thread.join()
        self.engine.dispose()
        self.lock.release()

    async def run(self, work: Callable[[Connection], Any], after: Callable[[Any], None] | None) -> Any:
        if self._line.qsize() >= MOST_WAITING:
            raise StoreUnavailable("too much is waiting for the database: try again in a moment")
        turn = Turn.of(work, after)
        self._line.put(turn)
        return await turn.future

    async def read(self, work: Callable[[Connection], Any]) -> Any:
        """In the same line: what was queued before is seen."""
        return await self.run(work, None)

    async def write(self, work: Writing[Any], after: Callable[[Any], None] | None, *, locking: bool) -> Any:  # noqa: ARG002 - nobody else writes
        return await self.run(carrying_out(work, make), after)

    def _serve(self) -> None:
        with self.engine.connect() as connection:
            while turns := self._next():
                self._commit(connection, turns)
                _report(turns)

    def _next(self) -> list[Turn]:
        first = self._line.get()
        turns = [] if first is None else [first]
        while turns and len(turns) < MOST_AT_ONCE and not self._line.empty():
            if (turn := self._line.get()) is None:
                self._line.put(None)  # stop after these
                break
            turns.append(turn)
        return turns

    def _commit(self, connection: Connection, turns: list[Turn]) -> None:
        """One commit for all. Should one of them fail, each gets a transaction of its own: functions may run twice."""
        try:
            with connection.begin():
                for turn in turns:
                    turn.result = turn.work(connection)
        except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits must be told
            self.on_rollback()
            if len(turns) == 1:
                turns[0].error = error
                return
            for turn in turns:
                self._commit(connection, [turn])


def _report(turns: list[Turn]) -> None:
    for loop in {turn.loop for turn in turns}:
        loop.call_soon_threadsafe(_report_all, [turn for turn in turns if turn.loop is loop])


def _report_all(turns: list[Turn]) -> None:
    for turn in turns:
        turn.report()
