"""What the suite does with whole databases: make an empty one beside another, and copy one as a backup would."""

import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Protocol

from sqlalchemy import inspect, make_url

from storage.database import create_database_engine
from storage.postgres import conninfo
from tests.fakes.database_clock import set_offset
from tests.postgres import POSTGRES_BIN_DIR, create_database


class DatabaseAdmin(Protocol):
    """One kind of database. What it makes goes away with the folder or the server of the tests."""

    def create_empty(self, url: str, name: str) -> str:
        """The URL of a database of that name, beside this one, with nothing in it."""
        ...

    def forget_workers(self, url: str, offset_seconds: float) -> None:
        """Nobody lives: let nobody wait for the dead, and set its clock forward with those who come."""
        ...

    def copy(self, url: str, name: str) -> str:
        """The URL of a copy of that name, as of now, whoever uses the original."""
        ...

    def copy_idle(self, url: str, name: str) -> str:
        """The same, and quicker where nobody uses the original."""
        ...


class SqliteAdmin:
    """Files in one folder."""

    def create_empty(self, url: str, name: str) -> str:
        return f"sqlite:///{_sqlite_file(url).with_name(f'{name}.db')}"

    def forget_workers(self, url: str, offset_seconds: float) -> None:
        """Whoever has the file is alone, and no clock but theirs counts."""

    def copy(self, url: str, name: str) -> str:
        copied = self.create_empty(url, name)
        with (
            closing(sqlite3.connect(_sqlite_file(url))) as here,
            closing(sqlite3.connect(_sqlite_file(copied))) as there,
        ):
            here.backup(there)
        return copied

    copy_idle = copy


class PostgresAdmin:
    """Databases on one server; a copy is what pg_dump makes of it."""

    def create_empty(self, url: str, name: str) -> str:
        return create_database(url)

    def forget_workers(self, url: str, offset_seconds: float) -> None:
        """Forgetting workers gives their jobs back, as the time does in which nothing is heard of them."""
        engine = create_database_engine(url)
        with engine.begin() as connection:
            if inspect(connection).has_table("procrastinate_workers"):
                connection.exec_driver_sql("DELETE FROM procrastinate_workers")
                set_offset(connection, offset_seconds)
        engine.dispose()

    def copy(self, url: str, name: str) -> str:
        copied = self.create_empty(url, name)
        dumped = subprocess.run(
            [POSTGRES_BIN_DIR / "pg_dump", conninfo(url)], check=True, capture_output=True, timeout=60
        )
        into = [POSTGRES_BIN_DIR / "psql", "--quiet", "--set=ON_ERROR_STOP=1", conninfo(copied)]
        subprocess.run(into, check=True, input=dumped.stdout, stdout=subprocess.DEVNULL, timeout=60)
        return copied

    def copy_idle(self, url: str, name: str) -> str:
        return create_database(url, make_url(url).database)


def _sqlite_file(url: str) -> Path:
    return Path(make_url(url).database or "")


ADMINS: Mapping[str, DatabaseAdmin] = {"sqlite": SqliteAdmin(), "postgresql": PostgresAdmin()}


def database_admin(url: str) -> DatabaseAdmin:
    return ADMINS[make_url(url).get_backend_name()]
