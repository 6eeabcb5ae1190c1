"""The databases every store and engine test runs on: a name, and how to make an empty, migrated one."""

from collections.abc import Callable, Mapping
from pathlib import Path

from storage.database import create_database_engine
from storage.postgres import is_postgres
from storage.schema import migrate
from tests.postgres import create_database, drop_database, is_private_server, migrated_template, server_url


def create_sqlite_database(folder: Path) -> str:
    """A new SQLite file."""
    url = f"sqlite:///{folder / 'handrail.db'}"
    engine = create_database_engine(url)
    migrate(engine)
    engine.dispose()
    return url


def create_postgres_database(_folder: Path) -> str:
    """A new database on the tests' PostgreSQL server."""
    return create_database(server_url(), migrated_template())


def drop_if_shared_server(url: str) -> None:
    """Leave nothing behind on a server that outlives the tests."""
    if is_postgres(url) and not is_private_server():
        drop_database(url)


DATABASES: Mapping[str, Callable[[Path], str]] = {
    "sqlite": create_sqlite_database,
    "postgresql": create_postgres_database,
}
