"""SQLite: where its file is, and the settings durability rests on."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from agents.errors import ConfigurationError

_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON", "wal_autocheckpoint=4000")


def sqlite_engine(url: str) -> Engine:
    """An engine whose transactions begin when we say so, with the right to write."""
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 5})
    event.listen(engine, "connect", _apply_pragmas)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def sqlite_path(url: str) -> Path:
    """The file of a `sqlite:///` URL. Raises Misconfigured for any other."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise ConfigurationError("DATABASE_URL must name a file, like sqlite:///.handrail/handrail.db")
    return Path(parsed.database)


def lock_path(url: str) -> Path:
    """Return the file whose lock means that a process runs on the database, by whatever link the URL names it."""
    path = sqlite_path(url).resolve()
    return path.with_name(f"{path.name}.lock")


def make_private(url: str) -> None:
    """Make the database file if it is missing, and take the rights of everybody but its owner away.

    SQLite gives its journals the rights of the file. An existing file is not opened here: closing it would end the
    locks that SQLite holds on it in this process. Raises Misconfigured when the file cannot be made.
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
    connection.isolation_level = None  # the driver must not begin on its own: transactions are ours
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
