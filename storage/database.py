"""The database: opened once, locked against other processes, and the only place that commits."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url

from agents.errors import Misconfigured, StoreUnavailable
from storage.lock import FileLock
from storage.schema import require_current
from storage.writer import Writer

T = TypeVar("T")

_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON", "wal_autocheckpoint=4000")


@dataclass
class Database:
    """An open database. `run` is the only way to read or write it."""

    engine: Engine
    lock: FileLock
    forgetters: list[Callable[[], None]] = field(default_factory=list)
    _writer: Writer | None = None

    @classmethod
    def open(cls, url: str) -> Self:
        """Open an existing, migrated database for this process alone.

        Raises Misconfigured when another process has it, when it is missing, too old, too new, or not writable.
        """
        lock = FileLock.take(lock_path(url))
        engine = connect(url)
        try:
            require_current(engine)
        except BaseException as error:
            engine.dispose()
            lock.release()
            raise mapped(error) from error
        database = cls(engine=engine, lock=lock)
        database._writer = Writer(engine, on_rollback=database._forget)
        database._writer.start()
        return database

    async def run(self, work: Callable[[Connection], T], after: Callable[[T], None] | None = None) -> T:
        """Run one plain function in a transaction. `after` is called once it is committed, even if the caller has gone.

        Raises StoreUnavailable when the database cannot be written; nothing of the function's work is kept then.
        """
        if self._writer is None:
            raise StoreUnavailable("the database is closed")
        try:
            result: T = await self._writer.run(work, after)
        except exc.SQLAlchemyError as error:
            raise mapped(error) from error
        return result

    def close(self) -> None:
        """Finish what is queued, close, and let other processes in."""
        if self._writer is not None:
            self._writer.stop()
            self._writer = None
        self.engine.dispose()
        self.lock.release()

    def _forget(self) -> None:
        for forget in self.forgetters:
            forget()


def connect(url: str) -> Engine:
    """An engine with the settings durability rests on."""
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 5})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin on its own: transactions are ours
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def sqlite_path(url: str) -> Path:
    """The file of a `sqlite:///` URL. Raises Misconfigured for any other."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise Misconfigured("DATABASE_URL must name a file, like sqlite:///.handrail/handrail.db")
    return Path(parsed.database)


def lock_path(url: str) -> Path:
    """The file whose lock means that a process runs on the database."""
    path = sqlite_path(url)
    return path.with_name(f"{path.name}.lock")


_REASONS = (
    (r"readonly|read-only", "the database is read-only: give this user the right to write the file and its folder"),
    (r"locked|busy", "the database is locked by another program: close it and try again"),
    (r"full", "the disk is full: free some space; Handrail goes on by itself"),
    (r"unable to open", "the database file cannot be opened: check that its folder exists and may be written"),
    (
        r"not a database|malformed",
        "the file is not a healthy SQLite database: restore a backup or set another DATABASE_URL",
    ),
)


def mapped(error: BaseException) -> BaseException:
    """A driver's error in our words; other errors pass as they are."""
    if not isinstance(error, exc.SQLAlchemyError):
        return error
    text = str(getattr(error, "orig", None) or error)
    reason = next((ours for pattern, ours in _REASONS if re.search(pattern, text, re.IGNORECASE)), None)
    return StoreUnavailable(reason or f"the database refused: {text.splitlines()[0][:200]}")
