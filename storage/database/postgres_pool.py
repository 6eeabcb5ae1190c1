"""Connection pool for PostgreSQL. A connection is used by one OS thread at a time and is in autocommit mode.

Frequent queries are executed with psycopg directly, since SQLAlchemy's overhead is larger than the query itself.
"""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self, cast

from psycopg import Connection as PsycopgConnection
from psycopg import Error
from psycopg.rows import namedtuple_row
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import Connection, Dialect, Engine, Select, event, exc
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from storage.database.postgres import RESPONSE_TIMEOUT_SECONDS, create_timeout_engine
from storage.database.transactions import Row

MAX_CONNECTIONS = 8
"""Connections per process, without those for jobs."""
WAIT_TIMEOUT_SECONDS = 5.0
"""Timeout in seconds of a wait for a connection or a lock, and of an idle transaction."""


@dataclass
class ConnectionPool:
    """Pool of idle open connections. SQLAlchemy's pool, whose checkout is slow, creates and replaces them."""

    engine: Engine
    _idle: list[Connection] = field(default_factory=list)

    @classmethod
    def for_url(cls, url: str, timeout_seconds: float = WAIT_TIMEOUT_SECONDS) -> Self:
        # Keep the proportion of the defaults, so that the server always reports a timeout before the client gives up.
        response_timeout = RESPONSE_TIMEOUT_SECONDS * timeout_seconds / WAIT_TIMEOUT_SECONDS
        engine = create_timeout_engine(
            url, response_timeout, name="handrail", size=MAX_CONNECTIONS, **_session_settings(timeout_seconds)
        )
        event.listen(engine, "connect", _register_text_dumper)
        event.listen(engine, "checkout", _check_on_checkout)
        return cls(engine.execution_options(isolation_level="AUTOCOMMIT"))

    @contextmanager
    def acquire(self) -> Iterator[Connection]:
        """Yield a connection; after an error return it to SQLAlchemy. Raises OperationalError if none can be opened."""
        connection = self._healthy_idle() or self.engine.connect()
        try:
            yield connection
        except BaseException:
            if connection.invalidated:
                self._drop_idle()
            connection.close()
            raise
        self._idle.append(connection)

    def close(self) -> None:
        """Close all connections. None may be in use."""
        self._drop_idle()
        self.engine.dispose()

    def _drop_idle(self) -> None:
        """Close the idle connections: the cause that ended one has probably ended all."""
        while self._idle:
            connection = self._idle.pop()
            connection.invalidate()
            connection.close()

    def _healthy_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not _is_closed_by_server(get_psycopg_connection(connection)):
                return connection
            connection.invalidate()
            connection.close()
        return None


def get_psycopg_connection(connection: Connection) -> PsycopgConnection:
    """Return the psycopg connection that a SQLAlchemy connection wraps."""
    return cast(PsycopgConnection, connection.connection.driver_connection)


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Run the statements of the block in one transaction. Raises DBAPIError if the commit fails."""
    with wrap_psycopg_errors(connection), get_psycopg_connection(connection).transaction():
        yield


@contextmanager
def wrap_psycopg_errors(connection: Connection) -> Iterator[None]:
    """Raise psycopg's errors as SQLAlchemy's DBAPIError, as SQLAlchemy does for its own calls."""
    psycopg_connection = get_psycopg_connection(connection)
    try:
        yield
    except Error as error:
        is_closed = psycopg_connection.closed
        if is_closed:
            connection.invalidate(error)
        raise exc.DBAPIError(None, None, error, connection_invalidated=is_closed) from error


def _is_closed_by_server(psycopg_connection: PsycopgConnection) -> bool:
    """Return whether the server has closed the idle connection.

    Such a connection is replaced before it is used. If a commit used it, the outcome of the commit would be unknown.
    """
    poll = select.poll()
    poll.register(psycopg_connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _check_on_checkout(dbapi_connection: Any, _record: Any, _proxy: Any) -> None:
    if _is_closed_by_server(dbapi_connection):
        raise exc.InvalidatePoolError


class _NulSafeTextDumper(StrDumperUnknown):
    """Dumper that replaces NUL, which PostgreSQL text cannot hold. No valid id contains NUL, and JSON escapes it."""

    def dump(self, obj: str) -> bytes:
        return obj.replace("\0", "\N{REPLACEMENT CHARACTER}").encode()


def _register_text_dumper(dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.adapters.register_dumper(str, _NulSafeTextDumper)


def _session_settings(timeout_seconds: float) -> dict[str, str]:
    milliseconds = round(timeout_seconds * 1000)
    return {
        # Longer than lock_timeout: a statement that had to wait for a lock still gets time to run.
        "statement_timeout": f"{2 * milliseconds}",
        "lock_timeout": f"{milliseconds}",
        "idle_in_transaction_session_timeout": f"{milliseconds}",
    }


DIALECT: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]  # SQLAlchemy declares no types here


def select_first(connection: Connection, query: Select[Any], row: Row) -> Any:
    """Return the first row as a named tuple, or None.

    Compiled queries are cached for the life of the process, so define `query` at module level.
    """
    if connection.dialect.name != DIALECT.name:
        return connection.execute(query, dict(row)).first()
    text, constants = _compile(query)
    with wrap_psycopg_errors(connection):
        return (
            get_psycopg_connection(connection)
            .cursor(row_factory=namedtuple_row)
            .execute(text, {**constants, **row})
            .fetchone()
        )


@cache
def _compile(query: Select[Any]) -> tuple[bytes, Row]:
    compiled = query.compile(dialect=DIALECT)
    return str(compiled).encode(), compiled.params
