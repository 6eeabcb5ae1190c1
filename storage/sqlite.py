"""SQLite files: path, lock path, file rights and durability settings."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from agents.errors import ConfigurationError

_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON", "wal_autocheckpoint=4000")


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
