"""SQLite: where its file is, and the settings durability rests on."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from agents.errors import Misconfigured

_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON", "wal_autocheckpoint=4000")


def sqlite_engine(url: str) -> Engine:
    """An engine whose transactions begin when we say so, with the right to write."""
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 5})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


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


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin on its own: transactions are ours
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
