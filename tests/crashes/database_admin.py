"""Operations on whole databases: create an empty one next to another, and copy one as a backup does."""

import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Protocol

from sqlalchemy import inspect, make_url

from storage.database.database import create_database_engine
from storage.database.postgres import conninfo
from tests.fakes.database_clock import set_offset
from tests.postgres import POSTGRES_BIN_DIR, create_database


class DatabaseAdmin(Protocol):
    """Administration of one kind of database. All it creates is deleted with the test's folder or server."""

    def create_empty(self, url: str, name: str) -> str:
        """Return the URL of an empty database of that name next to this one."""
        ...

    def forget_workers(self, url: str, offset_seconds: float) -> None:
        """Delete the registrations of all workers, none of which runs, and set the database's clock offset."""
        ...

    def copy(self, url: str, name: str) -> str:
        """Return the URL of a copy of the current content. Other processes may use the original meanwhile."""
        ...

    def copy_idle(self, url: str, name: str) -> str:
        """Return the URL of a copy of a database that no process uses. Faster than `copy`."""
        ...


class SqliteAdmin:
    """SQLite files in one folder."""

    def create_empty(self, url: str, name: str) -> str:
        return f"sqlite:///{_sqlite_file(url).with_name(f'{name}.db')}"

    def forget_workers(self, url: str, offset_seconds: float) -> None:
        """Do nothing: SQLite registers no workers and has no clock of its own."""

    def copy(self, url: str, name: str) -> str:
        copy_url = self.create_empty(url, name)
        with (
            closing(sqlite3.connect(_sqlite_file(url))) as source,
            closing(sqlite3.connect(_sqlite_file(copy_url))) as target,
        ):
            source.backup(target)
        return copy_url

    copy_idle = copy


class PostgresAdmin:
    """Databases on one PostgreSQL server, copied by pg_dump."""

    def create_empty(self, url: str, name: str) -> str:
        return create_database(url)

    def forget_workers(self, url: str, offset_seconds: float) -> None:
        """Delete worker rows, so that their jobs are requeued at once rather than after the heartbeat timeout."""
        engine = create_database_engine(url)
        with engine.begin() as connection:
            if inspect(connection).has_table("procrastinate_workers"):
                connection.exec_driver_sql("DELETE FROM procrastinate_workers")
                set_offset(connection, offset_seconds)
        engine.dispose()

    def copy(self, url: str, name: str) -> str:
        copy_url = self.create_empty(url, name)
        dump = subprocess.run(
            [POSTGRES_BIN_DIR / "pg_dump", conninfo(url)], check=True, capture_output=True, timeout=90
        )
        psql = [POSTGRES_BIN_DIR / "psql", "--quiet", "--set=ON_ERROR_STOP=1", conninfo(copy_url)]
        subprocess.run(psql, check=True, input=dump.stdout, stdout=subprocess.DEVNULL, timeout=90)
        return copy_url

    def copy_idle(self, url: str, name: str) -> str:
        return create_database(url, make_url(url).database)


def _sqlite_file(url: str) -> Path:
    return Path(make_url(url).database or "")


ADMINS: Mapping[str, DatabaseAdmin] = {"sqlite": SqliteAdmin(), "postgresql": PostgresAdmin()}


def database_admin(url: str) -> DatabaseAdmin:
    return ADMINS[make_url(url).get_backend_name()]
