"""The database: opened once by each process, and the only place that commits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar

from sqlalchemy import Connection, Engine, exc

from agents.errors import StoreUnavailable
from storage.lock import FileLock
from storage.pool import Pool
from storage.postgres import is_postgres, postgres_engine
from storage.refusals import mapped
from storage.schema import require_current
from storage.sqlite import lock_path, make_private, sqlite_engine
from storage.writer import Writer
from storage.writes import Writing

T = TypeVar("T")


class Transactions(Protocol):
    """Runs functions over a Connection, all or nothing."""

    async def run(self, work: Callable[[Connection], Any], after: Callable[[Any], None] | None) -> Any: ...

    async def read(self, work: Callable[[Connection], Any]) -> Any: ...

    async def write(self, work: Writing[Any], after: Callable[[Any], None] | None, *, locking: bool) -> Any: ...

    async def stop(self) -> None:
        """Finish what is under way, and run nothing more."""


@dataclass
class Database:
    """An open database. `run`, `read` and `write` are the only ways to it; `shared` tells that others write to it."""

    url: str
    shared: bool
    forgetters: list[Callable[[], None]] = field(default_factory=list)
    _transactions: Transactions | None = None

    @classmethod
    def open(cls, url: str) -> Self:
        """Open an existing, migrated database; a SQLite file for this process alone.

        Raises Misconfigured when another process has the file, when the database is missing, too old or too new, and
        StoreUnavailable when it does not answer.
        """
        return cls._shared(url) if is_postgres(url) else cls._alone(url)

    async def run(self, work: Callable[[Connection], T], after: Callable[[T], None] | None = None) -> T:
        """Run one plain function in a transaction. `after` is called once it is committed, even if the caller has gone.

        Raises StoreUnavailable when the database cannot be written; nothing of the function's work is kept then.
        """
        with _told():
            result: T = await self._opened.run(work, after)
        return result

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run one plain function that writes nothing. Raises StoreUnavailable like `run`."""
        with _told():
            result: T = await self._opened.read(work)
        return result

    async def write(self, work: Writing[T], after: Callable[[T], None] | None = None, *, locking: bool = False) -> T:
        """Run one plain function, and commit the writes it gathers once it has returned: the quick way.

        What it reads may be out of date by then, so keys and conditions of its writes have to tell. When it is
        `locking`, what it reads for update stays as it is until the commit.
        Raises the refusals of its writes, and StoreUnavailable like `run`.
        """
        with _told():
            result: T = await self._opened.write(work, after, locking=locking)
        return result

    @property
    def _opened(self) -> Transactions:
        if self._transactions is None:
            raise StoreUnavailable("the database is closed")
        return self._transactions

    async def close(self) -> None:
        """Finish what is queued, close, and let other processes in."""
        transactions, self._transactions = self._transactions, None
        if transactions is not None:
            await transactions.stop()

    @classmethod
    def _shared(cls, url: str) -> Self:
        engine = connect(url)
        try:
            require_current(engine)
        except BaseException as error:
            raise mapped(error) from error
        finally:
            engine.dispose()
        database = cls(url, shared=True)
        database._transactions = Pool.to(url)
        return database

    @classmethod
    def _alone(cls, url: str) -> Self:
        lock = FileLock.take(lock_path(url))
        engine = connect(url)
        try:
            make_private(url)
            require_current(engine)
        except BaseException as error:
            engine.dispose()
            lock.release()
            raise mapped(error) from error
        database = cls(url, shared=False)
        database._transactions = Writer(engine, lock, on_rollback=database._forget)
        return database

    def _forget(self) -> None:
        for forget in self.forgetters:
            forget()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise mapped(error) from error


def connect(url: str) -> Engine:
    """An engine for looking at a database and for migrating it, outside `Database.run`."""
    return postgres_engine(url) if is_postgres(url) else sqlite_engine(url)
