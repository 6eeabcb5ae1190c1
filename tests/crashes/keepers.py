"""What the suite does with whole databases: make an empty one beside another, and copy one as a backup would."""

import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Protocol

from sqlalchemy import inspect, make_url

from storage.database import connect
from storage.postgres import conninfo
from tests.fakes.database_clock import set_ahead
from tests.postgres import PROGRAMS, new_database


class Keeper(Protocol):
    """One kind of database. What it makes goes away with the folder or the server of the tests."""

    def empty(self, url: str, name: str) -> str:
        """The URL of a database of that name, beside this one, with nothing in it."""
        ...

    def clear(self, url: str, ahead: float) -> None:
        """Nobody lives: let nobody wait for the dead, and set its clock forward with those who come."""
        ...

    def copy(self, url: str, name: str) -> str:
        """The URL of a copy of that name, as of now, whoever uses the original."""
        ...

    def copy_at_rest(self, url: str, name: str) -> str:
        """The same, and quicker where nobody uses the original."""
        ...


class SqliteKeeper:
    """Files in one folder."""

    def empty(self, url: str, name: str) -> str:
        return f"sqlite:///{_file(url).with_name(f'{name}.db')}"

    def clear(self, url: str, ahead: float) -> None:
        """Whoever has the file is alone, and no clock but theirs counts."""

    def copy(self, url: str, name: str) -> str:
        copied = self.empty(url, name)
        with closing(sqlite3.connect(_file(url))) as here, closing(sqlite3.connect(_file(copied))) as there:
            here.backup(there)
        return copied

    copy_at_rest = copy


class PostgresKeeper:
    """Databases on one server; a copy is what pg_dump makes of it."""

    def empty(self, url: str, name: str) -> str:
        return new_database(url)

    def clear(self, url: str, ahead: float) -> None:
        """Forgetting workers gives their jobs back, as the time does in which nothing is heard of them."""
        engine = connect(url)
        with engine.begin() as connection:
            if inspect(connection).has_table("procrastinate_workers"):
                connection.exec_driver_sql("DELETE FROM procrastinate_workers")
                set_ahead(connection, ahead)
        engine.dispose()

    def copy(self, url: str, name: str) -> str:
        copied = self.empty(url, name)
        dumped = subprocess.run([PROGRAMS / "pg_dump", conninfo(url)], check=True, capture_output=True, timeout=60)
        into = [PROGRAMS / "psql", "--quiet", "--set=ON_ERROR_STOP=1", conninfo(copied)]
        subprocess.run(into, check=True, input=dumped.stdout, stdout=subprocess.DEVNULL, timeout=60)
        return copied

    def copy_at_rest(self, url: str, name: str) -> str:
        return new_database(url, make_url(url).database)


def _file(url: str) -> Path:
    return Path(make_url(url).database or "")


KEEPERS: Mapping[str, Keeper] = {"sqlite": SqliteKeeper(), "postgresql": PostgresKeeper()}


def keeper(url: str) -> Keeper:
    return KEEPERS[make_url(url).get_backend_name()]
