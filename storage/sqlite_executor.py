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
from storage.file_lock import FileLock
from storage.pending_transaction import PendingTransaction
from storage.write_batch import BatchFunction, as_transaction

MAX_FUNCTIONS_PER_COMMIT = 64
"""Functions that share one commit; more would only make the first one wait longer."""
MAX_QUEUED_FUNCTIONS = 5_000
"""Functions that may wait for their turn; another one is told to come back."""


@dataclass
class SqliteExecutor:
    """Runs functions over a Connection, each in a transaction of its own as far as it can tell.

    A function must be able to run again: it reads, decides and writes through its connection and nothing else.
    """

    engine: Engine
    lock: FileLock
    on_rollback: Callable[[], None]
    _queue: "SimpleQueue[PendingTransaction | None]" = field(default_factory=SimpleQueue)
    _thread: Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = Thread(target=self._run, name="database", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Finish what is queued, end the thread, and let another process in."""
        self._queue.put(None)
        self._thread.join()
        self.engine.dispose()
        self.lock.release()

    async def transaction(self, function: Callable[[Connection], Any], on_commit: Callable[[Any], None] | None) -> Any:
        if self._queue.qsize() >= MAX_QUEUED_FUNCTIONS:
            raise StoreUnavailable("too much is waiting for the database: try again in a moment")
        turn = PendingTransaction.create(function, on_commit)
        self._queue.put(turn)
        return await turn.future

    async def read(self, function: Callable[[Connection], Any]) -> Any:
        """In the same line: what was queued before is seen."""
        return await self.transaction(function, None)

    async def commit_batch(
        self,
        function: BatchFunction[Any],
        on_commit: Callable[[Any], None] | None,
        *,
        for_update: bool,  # noqa: ARG002 - this is the only writer
    ) -> Any:
        return await self.transaction(as_transaction(function, make), on_commit)

    def _run(self) -> None:
        with self.engine.connect() as connection:
            while turns := self._next_group():
                self._commit_group(connection, turns)
                _resolve_group(turns)

    def _next_group(self) -> list[PendingTransaction]:
        first = self._queue.get()
        turns = [] if first is None else [first]
        while turns and len(turns) < MAX_FUNCTIONS_PER_COMMIT and not self._queue.empty():
            if (turn := self._queue.get()) is None:
                self._queue.put(None)  # stop after these
                break
            turns.append(turn)
        return turns

    def _commit_group(self, connection: Connection, group: list[PendingTransaction]) -> None:
        """One commit for all. Should one of them fail, each gets a transaction of its own: functions may run twice."""
        try:
            with connection.begin():
                for turn in group:
                    turn.result = turn.function(connection)
        except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits must be told
            self.on_rollback()
            if len(group) == 1:
                group[0].error = error
                return
            for turn in group:
                self._commit_group(connection, [turn])


def _resolve_group(group: list[PendingTransaction]) -> None:
    for loop in {turn.loop for turn in group}:
        loop.call_soon_threadsafe(_resolve_all, [turn for turn in group if turn.loop is loop])


def _resolve_all(group: list[PendingTransaction]) -> None:
    for turn in group:
        turn.resolve()
