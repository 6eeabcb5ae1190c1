"""Transactions on PostgreSQL in a pool of OS threads, concurrent with those of other processes.

OS threads that wait in libpq cost less than psycopg's async connections (ADR 0015).
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from sqlalchemy import Connection, exc

from agents.core.errors import StoreUnavailable
from storage.database import postgres_batch
from storage.database.postgres_pool import MAX_CONNECTIONS, WAIT_TIMEOUT_SECONDS, ConnectionPool, transaction
from storage.database.transactions import BatchFunction, PendingTransaction, WriteBatch, as_transaction

MAX_QUEUED_FUNCTIONS = 500
"""Functions that may wait for a connection; further ones are rejected with StoreUnavailable."""

TransactionFunction = Callable[[Connection], Any]


@dataclass
class PostgresExecutor:
    """Executes functions over a Connection, each in its own transaction, in an OS thread.

    A function must be repeatable: it runs again, once, after a deadlock and if the connection is lost before the
    commit. A connection lost during the commit raises StoreUnavailable, since the outcome is unknown and the caller has
    to read it.
    """

    connections: ConnectionPool
    timeout_seconds: float = WAIT_TIMEOUT_SECONDS
    _thread_pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(MAX_CONNECTIONS, thread_name_prefix="database")
    )
    _in_progress: int = 0

    @classmethod
    def for_url(cls, url: str, timeout_seconds: float = WAIT_TIMEOUT_SECONDS) -> Self:
        return cls(ConnectionPool.for_url(url, timeout_seconds), timeout_seconds)

    async def transaction(self, function: TransactionFunction, on_commit: Callable[[Any], None] | None) -> Any:
        return await self._submit(partial(_run_transaction, self.connections, function), on_commit)

    async def read(self, function: TransactionFunction) -> Any:
        """Run the function in autocommit mode: this saves two round trips, as most reads are one statement."""
        return await self._submit(partial(_run_read, self.connections, function), None)

    async def commit_batch(
        self, function: BatchFunction[Any], on_commit: Callable[[Any], None] | None, *, for_update: bool
    ) -> Any:
        """Commit all writes in one round trip, or in a transaction if reads have to stay valid."""
        if for_update:
            return await self.transaction(as_transaction(function, postgres_batch.execute_in_order), on_commit)
        return await self._submit(partial(_run_batch, self.connections, function), on_commit)

    async def stop(self) -> None:
        """Finish running functions, then close all connections."""
        await asyncio.get_running_loop().run_in_executor(None, self._thread_pool.shutdown)
        self.connections.close()

    async def _submit(self, function: Callable[[], Any], on_commit: Callable[[Any], None] | None) -> Any:
        """Run the function in the thread pool and wait for its result. It continues if the caller is cancelled."""
        if self._in_progress >= MAX_CONNECTIONS + MAX_QUEUED_FUNCTIONS:
            raise StoreUnavailable("too many operations wait for the database: try again in a moment")
        pending = PendingTransaction.create(partial(_run_with_retry, function), on_commit)
        thread_future = self._thread_pool.submit(self._run_in_thread, pending)
        if self._in_progress >= MAX_CONNECTIONS:
            pending.loop.call_later(self.timeout_seconds, self._cancel_if_queued, pending, thread_future)
        self._in_progress += 1
        return await pending.future

    def _run_in_thread(self, pending: PendingTransaction) -> None:
        try:
            pending.result = pending.function()
        except BaseException as error:  # noqa: BLE001 - every error goes to the caller
            pending.error = error
        pending.loop.call_soon_threadsafe(self._finish, pending)

    def _cancel_if_queued(self, pending: PendingTransaction, thread_future: "Future[None]") -> None:
        if thread_future.cancel():
            pending.error = exc.TimeoutError()
            self._finish(pending)

    def _finish(self, pending: PendingTransaction) -> None:
        self._in_progress -= 1
        pending.resolve()


def _run_with_retry(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except _RetryableError:
        pass
    try:
        return function()
    except _RetryableError as error:
        raise error.cause from error


class _RetryableError(Exception):
    """The connection was lost, or a deadlock or serialization failure occurred, before anything was committed."""

    def __init__(self, cause: exc.DBAPIError) -> None:
        super().__init__()
        self.cause = cause


def _run_transaction(connections: ConnectionPool, function: TransactionFunction) -> Any:
    with connections.acquire() as connection, transaction(connection):
        return _run_before_commit(connection, function)


def _run_read(connections: ConnectionPool, function: TransactionFunction) -> Any:
    with connections.acquire() as connection:
        return _run_before_commit(connection, function)


def _run_batch(connections: ConnectionPool, function: BatchFunction[Any]) -> Any:
    with connections.acquire() as connection:
        writes = WriteBatch()
        result = _run_before_commit(connection, lambda reader: function(reader, writes))
        if writes.statements:
            _commit(connection, writes)
        return result


def _commit(connection: Connection, writes: WriteBatch) -> None:
    if postgres_batch.can_execute_as_one(writes):
        _commit_in_one_statement(connection, writes)
    else:
        with transaction(connection):
            _run_before_commit(connection, partial(postgres_batch.execute_in_order, writes=writes))


def _commit_in_one_statement(connection: Connection, writes: WriteBatch) -> None:
    try:
        postgres_batch.execute_as_one(connection, writes)
    except exc.DBAPIError as error:
        if _is_serialization_failure(error):
            raise _RetryableError(error) from error
        raise


def _run_before_commit(connection: Connection, function: TransactionFunction) -> Any:
    try:
        return function(connection)
    except exc.DBAPIError as error:
        if error.connection_invalidated or _is_serialization_failure(error):
            raise _RetryableError(error) from error
        raise


def _is_serialization_failure(error: exc.DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in ("40P01", "40001")  # deadlock, serialization failure
