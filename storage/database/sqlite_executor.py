"""The one OS thread of the database: SQLite has one writer, so transactions queue, and waiting ones share a commit.

One OS thread is faster than an async driver or a connection pool, and fair, unlike SQLite's busy handler (ADR 0006).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Any

from sqlalchemy import Connection, Engine

from agents.core.errors import StoreUnavailable
from storage.database import sqlite_batch
from storage.database.sqlite import FileLock
from storage.database.transactions import BatchFunction, PendingTransaction, as_transaction

MAX_FUNCTIONS_PER_COMMIT = 64
"""Maximum number of functions that share a commit; more would make the first one wait longer."""
MAX_QUEUED_FUNCTIONS = 5_000
"""Functions that may wait; further ones are rejected with StoreUnavailable."""


@dataclass
class SqliteExecutor:
    """Executes functions over a Connection. Functions that wait at the same time share a transaction.

    A function must be repeatable: it reads and writes through its connection only, and runs again if another one fails.
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
        """Finish queued functions, end the OS thread and release the lock."""
        self._queue.put(None)
        self._thread.join()
        self.engine.dispose()
        self.lock.release()

    async def transaction(self, function: Callable[[Connection], Any], on_commit: Callable[[Any], None] | None) -> Any:
        if self._queue.qsize() >= MAX_QUEUED_FUNCTIONS:
            raise StoreUnavailable("too many operations wait for the database: try again in a moment")
        pending = PendingTransaction.create(function, on_commit)
        self._queue.put(pending)
        return await pending.future

    async def read(self, function: Callable[[Connection], Any]) -> Any:
        """Run the function in the same queue, so it sees everything that was queued before."""
        return await self.transaction(function, None)

    async def commit_batch(
        self,
        function: BatchFunction[Any],
        on_commit: Callable[[Any], None] | None,
        *,
        for_update: bool,  # noqa: ARG002 - this is the only writer
    ) -> Any:
        return await self.transaction(as_transaction(function, sqlite_batch.execute), on_commit)

    def _run(self) -> None:
        with self.engine.connect() as connection:
            while group := self._next_group():
                self._commit_group(connection, group)
                _resolve_group(group)

    def _next_group(self) -> list[PendingTransaction]:
        first = self._queue.get()
        group = [] if first is None else [first]
        while group and len(group) < MAX_FUNCTIONS_PER_COMMIT and not self._queue.empty():
            if (pending := self._queue.get()) is None:
                self._queue.put(None)  # stop after this group
                break
            group.append(pending)
        return group

    def _commit_group(self, connection: Connection, group: list[PendingTransaction]) -> None:
        """Commit the group in one transaction. If one function fails, run each again in its own transaction."""
        try:
            with connection.begin():
                for pending in group:
                    pending.result = pending.function(connection)
        except BaseException as error:  # noqa: BLE001 - every error goes to the caller
            self.on_rollback()
            if len(group) == 1:
                group[0].error = error
                return
            for pending in group:
                self._commit_group(connection, [pending])


def _resolve_group(group: list[PendingTransaction]) -> None:
    for loop in {pending.loop for pending in group}:
        loop.call_soon_threadsafe(_resolve_all, [pending for pending in group if pending.loop is loop])


def _resolve_all(group: list[PendingTransaction]) -> None:
    for pending in group:
        pending.resolve()
