"""The databases every store and engine test runs on: a name, and how to make an empty, migrated one."""

from collections.abc import Callable, Mapping
from pathlib import Path

from storage.database import connect
from storage.postgres import is_postgres
from storage.schema import migrate
from tests.postgres import drop_database, is_our_own, migrated_template, new_database, server_url


def sqlite(folder: Path) -> str:
    """A new SQLite file."""
    url = f"sqlite:///{folder / 'handrail.db'}"
    engine = connect(url)
    migrate(engine)
    engine.dispose()
    return url


def postgresql(_folder: Path) -> str:
    """A new database on the tests' PostgreSQL server."""
    return new_database(server_url(), migrated_template())


def forget_database(url: str) -> None:
    """Leave nothing behind on a server that outlives the tests."""
    if is_postgres(url) and not is_our_own():
        drop_database(url)


DATABASES: Mapping[str, Callable[[Path], str]] = {"sqlite": sqlite, "postgresql": postgresql}
