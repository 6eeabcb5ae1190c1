"""The database: opened once per process, and the only place that commits. Readiness checks do not write to it."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from sqlalchemy import Connection, Engine, exc

from agents.core.errors import StoreUnavailable
from storage.database.errors import to_store_error
from storage.database.postgres import is_postgres, postgres_engine
from storage.database.postgres_executor import PostgresExecutor
from storage.database.schema import check_revision, read_revision_in
from storage.database.sqlite import FileLock, lock_path, make_private, sqlite_engine, sqlite_path
from storage.database.sqlite_executor import SqliteExecutor
from storage.database.transactions import BatchFunction

T = TypeVar("T")


class TransactionExecutor(Protocol):
    """Executes functions over a Connection, each all or nothing."""

    async def transaction(
        self, function: Callable[[Connection], Any], on_commit: Callable[[Any], None] | None
    ) -> Any: ...

    async def read(self, function: Callable[[Connection], Any]) -> Any: ...

    async def commit_batch(
        self, function: BatchFunction[Any], on_commit: Callable[[Any], None] | None, *, for_update: bool
    ) -> Any: ...

    async def stop(self) -> None:
        """Finish running functions and reject new ones."""


@dataclass
class Database:
    """An open database, accessed only by `transaction`, `read` and `commit_batch`.

    `is_multi_process` tells whether other processes may write to it. `on_rollback` is called after each rollback on
    SQLite, to clear caches of uncommitted data; on PostgreSQL only committed data is cached.
    """

    url: str
    is_multi_process: bool
    on_rollback: list[Callable[[], None]] = field(default_factory=list)
    _executor: TransactionExecutor | None = None

    @classmethod
    def open(cls, url: str) -> Self:
        """Open an existing, migrated database. A SQLite file is locked for this process.

        Raises ConfigurationError if another process has the file or the database is missing, too old or too new, and
        StoreUnavailable if it does not answer.
        """
        return cls._open_postgres(url) if is_postgres(url) else cls._open_sqlite(url)

    async def transaction(self, function: Callable[[Connection], T], on_commit: Callable[[T], None] | None = None) -> T:
        """Run a synchronous function in a transaction, then call `on_commit`, even if the caller is gone.

        Raises StoreUnavailable if the database cannot be written; the transaction is rolled back then.
        """
        with _translate_errors():
            result: T = await self._open_executor.transaction(function, on_commit)
        return result

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Run a synchronous function that writes nothing. Raises StoreUnavailable."""
        with _translate_errors():
            result: T = await self._open_executor.read(function)
        return result

    async def commit_batch(
        self, function: BatchFunction[T], on_commit: Callable[[T], None] | None = None, *, for_update: bool = False
    ) -> T:
        """Run a synchronous function, then commit the writes it has collected: the fast way to write.

        The function's reads may be outdated at the commit, so writes carry keys and conditions. With `for_update`, rows
        that it reads for update stay locked until the commit. Raises the conflict errors of the writes, and
        StoreUnavailable.
        """
        with _translate_errors():
            result: T = await self._open_executor.commit_batch(function, on_commit, for_update=for_update)
        return result

    @property
    def _open_executor(self) -> TransactionExecutor:
        if self._executor is None:
            raise StoreUnavailable("the database is closed")
        return self._executor

    async def close(self) -> None:
        """Finish queued functions, close, and release the lock of a SQLite file."""
        executor, self._executor = self._executor, None
        if executor is not None:
            await executor.stop()

    @classmethod
    def _open_postgres(cls, url: str) -> Self:
        engine = create_database_engine(url)
        try:
            check_revision(engine)
        except BaseException as error:
            raise to_store_error(error) from error
        finally:
            engine.dispose()
        database = cls(url, is_multi_process=True)
        database._executor = PostgresExecutor.for_url(url)
        return database

    @classmethod
    def _open_sqlite(cls, url: str) -> Self:
        lock = FileLock.acquire(lock_path(url))
        engine = create_database_engine(url)
        try:
            make_private(url)
            check_revision(engine)
        except BaseException as error:
            engine.dispose()
            lock.release()
            raise to_store_error(error) from error
        database = cls(url, is_multi_process=False)
        database._executor = SqliteExecutor(engine, lock, on_rollback=database._run_rollback_callbacks)
        return database

    def _run_rollback_callbacks(self) -> None:
        for callback in self.on_rollback:
            callback()


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise to_store_error(error) from error


def create_database_engine(url: str) -> Engine:
    """Return an engine for migrations and checks, outside of `Database`."""
    return postgres_engine(url) if is_postgres(url) else sqlite_engine(url)


MIN_FREE_BYTES = 16 * 1024 * 1024
"""Size of SQLite's WAL file at a checkpoint (`wal_autocheckpoint`: 4000 pages of 4 KiB), which commits may need."""

FreeBytesProbe = Callable[[Path], int]


def free_bytes(folder: Path) -> int:
    """Return the free space in bytes on the disk of a folder."""
    return shutil.disk_usage(folder).free


def check_accepts_writes(connection: Connection) -> None:
    """Raise StoreUnavailable if the database cannot be read or is read-only. Nothing is written."""
    read_revision_in(connection)
    query = "PRAGMA query_only" if connection.dialect.name == "sqlite" else "SHOW transaction_read_only"
    if connection.exec_driver_sql(query).scalar() in (1, "on"):
        raise StoreUnavailable("the database is read-only: give this user the right to write to it")


def check_disk_space(url: str, probe: FreeBytesProbe = free_bytes) -> None:
    """Raise StoreUnavailable if a SQLite file is not writable, or its disk has less than MIN_FREE_BYTES free."""
    if is_postgres(url):
        return
    path = sqlite_path(url)
    if not os.access(path, os.W_OK):
        raise StoreUnavailable(f"the database is read-only: give this user the right to write {path}")
    if probe(path.parent) < MIN_FREE_BYTES:
        raise StoreUnavailable("the disk is full: free some space; Handrail then continues automatically")
