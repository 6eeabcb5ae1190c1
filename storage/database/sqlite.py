"""SQLite files: path, file rights, durability settings, and the lock that keeps other processes out (ADR 0006)."""

import fcntl
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from agents.core.errors import ConfigurationError

_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON", "wal_autocheckpoint=4000")
"""`busy_timeout` is in milliseconds, `wal_autocheckpoint` in pages of 4 KiB."""


def sqlite_engine(url: str) -> Engine:
    """Return an engine whose transactions begin with BEGIN IMMEDIATE."""
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 5})
    event.listen(engine, "connect", _apply_pragmas)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def sqlite_path(url: str) -> Path:
    """Return the file of a `sqlite:///` URL. Raises ConfigurationError for any other URL."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise ConfigurationError("DATABASE_URL must name a file, like sqlite:///.handrail/handrail.db")
    return Path(parsed.database)


def lock_path(url: str) -> Path:
    """Return the lock file of the database, the same for all links to the database file."""
    path = sqlite_path(url).resolve()
    return path.with_name(f"{path.name}.lock")


def make_private(url: str) -> None:
    """Create the database file if it is missing, and remove all rights but the owner's.

    SQLite gives its journals the rights of the file. An existing file is not opened here: closing it would end the
    locks that SQLite holds on it in this process. Raises ConfigurationError if the file cannot be created.
    """
    path = sqlite_path(url)
    try:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}; check its owner and rights") from error
    for file in (path, *(path.with_name(f"{path.name}-{journal}") for journal in ("wal", "shm"))):
        with suppress(FileNotFoundError, PermissionError):  # no journal, or a file of another user
            mode = stat.S_IMODE(file.stat().st_mode)
            file.chmod(mode & stat.S_IRWXU)


def _apply_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@dataclass
class FileLock:
    """Advisory lock, held until it is released or the process ends in any way."""

    path: Path
    _descriptor: int | None

    @classmethod
    def acquire(cls, path: Path) -> Self:
        """Take the lock without waiting. Raises ConfigurationError if it is taken or the folder is not writable."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f"cannot write {path.parent}: {error.strerror}; check its owner and rights"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise ConfigurationError(
                f"another Handrail process is using {_database_path(path)}; stop it first, or use the running one"
            ) from error
        return cls(path, descriptor)

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _database_path(lock_file: Path) -> Path:
    """Return the path of the database file that belongs to the lock file."""
    database, folder = lock_file.with_suffix(""), Path.cwd()
    return database.relative_to(folder) if database.is_relative_to(folder) else database
