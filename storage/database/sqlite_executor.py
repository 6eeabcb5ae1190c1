"""The one OS thread of the database: SQLite has one writer, so transactions queue, and waiting ones share a commit.

One OS thread is faster than an async driver or a connection pool, and fair, unlike SQLite's busy handler (ADR 0006).
A write batch is executed through the sqlite3 module, which is several times faster than SQLAlchemy.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from queue import SimpleQueue
from threading import Thread
from typing import Any

from sqlalchemy import Connection, Engine, exc

from agents.core.errors import StoreUnavailable
from storage.database.sqlite import FileLock
from storage.database.tables import Statement
from storage.database.transactions import (
    BatchFunction,
    PendingTransaction,
    Row,
    WriteBatch,
    WriteStatement,
    as_transaction,
)


class _NamedParameters(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return f":{name}"


def execute(connection: Connection, writes: WriteBatch) -> None:
    """Execute the statements in order, in the caller's transaction. Raises a conflict error, and DBAPIError."""
    for write in writes.statements:
        _execute(connection, write)


def _execute(connection: Connection, write: WriteStatement) -> None:
    sql, rows = _render(write.statement), [_to_sqlite_row(row) for row in write.rows]
    sqlite: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # SQLAlchemy has Any
    try:
        cursor = sqlite.executemany(sql, rows) if len(rows) > 1 else sqlite.execute(sql, rows[0])
    except sqlite3.Error as error:
        if write.conflict_error is not None and isinstance(error, sqlite3.IntegrityError):
            raise write.conflict_error from error
        raise exc.DBAPIError.instance(None, None, error, sqlite3.Error) from error
    write.check_row_count(cursor.rowcount)


def _to_sqlite_row(row: Row) -> dict[str, Any]:
    return {name: _format_time(value) if isinstance(value, datetime) else value for name, value in row.items()}


def _format_time(time: datetime) -> str:
    """Return the time in the form in which SQLAlchemy reads it from a column of type UtcTime."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


@cache
def _render(statement: Statement) -> str:
    return statement.render(_NamedParameters())


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
        return await self.transaction(as_transaction(function, execute), on_commit)

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
