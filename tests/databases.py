"""Create the databases of store and engine tests: empty and migrated, by the name of the kind of database."""

from collections.abc import Callable, Mapping
from pathlib import Path

from storage.database.database import create_database_engine
from storage.database.postgres import is_postgres
from storage.database.schema import migrate
from tests.postgres import create_database, drop_database, is_private_server, migrated_template, server_url


def create_sqlite_database(folder: Path) -> str:
    """Create a SQLite file and return its URL."""
    url = f"sqlite:///{folder / 'handrail.db'}"
    engine = create_database_engine(url)
    migrate(engine)
    engine.dispose()
    return url


def create_postgres_database(_folder: Path) -> str:
    """Create a database on the PostgreSQL server of the tests and return its URL."""
    return create_database(server_url(), migrated_template())


def drop_if_server_outlives_tests(url: str) -> None:
    """Drop a database on a server that outlives the tests."""
    if is_postgres(url) and not is_private_server():
        drop_database(url)


DATABASES: Mapping[str, Callable[[Path], str]] = {
    "sqlite": create_sqlite_database,
    "postgresql": create_postgres_database,
}
