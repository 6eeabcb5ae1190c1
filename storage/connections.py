"""Connection pool for PostgreSQL. A connection belongs to one thread at a time and is in autocommit mode."""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self, cast

from psycopg import Connection as Driver
from psycopg import Error
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import Connection, Engine, event, exc

from storage.timeout_connections import RESPONSE_TIMEOUT_SECONDS, create_timeout_engine

MAX_CONNECTIONS = 8
"""Connections per process, without those for jobs."""
WAIT_TIMEOUT_SECONDS = 5.0
"""Timeout in seconds for a connection, for a lock, and for an idle transaction."""


@dataclass
class ConnectionPool:
    """Pool of idle open connections. SQLAlchemy's pool, whose checkout is slow, creates and replaces them."""

    engine: Engine
    _idle: list[Connection] = field(default_factory=list)

    @classmethod
    def for_url(cls, url: str, timeout_seconds: float = WAIT_TIMEOUT_SECONDS) -> Self:
        timeout = RESPONSE_TIMEOUT_SECONDS * timeout_seconds / WAIT_TIMEOUT_SECONDS
        engine = create_timeout_engine(
            url, timeout, name="handrail", size=MAX_CONNECTIONS, **_session_settings(timeout_seconds)
        )
        event.listen(engine, "connect", _register_text_dumper)
        event.listen(engine, "checkout", _check_on_checkout)
        return cls(engine.execution_options(isolation_level="AUTOCOMMIT"))

    @contextmanager
    def acquire(self) -> Iterator[Connection]:
        """Yield a connection; after an error return it to SQLAlchemy. Raises OperationalError if none is free."""
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
            if not _is_closed_by_server(psycopg_connection(connection)):
                return connection
            connection.invalidate()
            connection.close()
        return None


def psycopg_connection(connection: Connection) -> Driver:
    """Return the psycopg connection."""
    return cast(Driver, connection.connection.driver_connection)


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Run the statements of the block in one transaction. Raises DBAPIError if the commit fails."""
    with wrap_driver_errors(connection), psycopg_connection(connection).transaction():
        yield


@contextmanager
def wrap_driver_errors(connection: Connection) -> Iterator[None]:
    """Raise psycopg's errors as SQLAlchemy's DBAPIError, as SQLAlchemy does for its own calls."""
    driver = psycopg_connection(connection)
    try:
        yield
    except Error as error:
        if driver.closed:
            connection.invalidate(error)
        raise exc.DBAPIError(None, None, error, connection_invalidated=driver.closed) from error


def _is_closed_by_server(driver: Driver) -> bool:
    """Return whether the server has closed the idle connection.

    A closed connection found here is simply replaced. Found during a commit, the outcome of the commit is unknown.
    """
    poll = select.poll()
    poll.register(driver.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _check_on_checkout(driver: Any, _record: Any, _checkout: Any) -> None:
    if _is_closed_by_server(driver):
        raise exc.InvalidatePoolError


class _NulSafeTextDumper(StrDumperUnknown):
    """Dumper that replaces NUL, which PostgreSQL text cannot hold. No valid id has one, and contents are JSON."""

    def dump(self, obj: str) -> bytes:
        return obj.replace("\0", "\N{REPLACEMENT CHARACTER}").encode()


def _register_text_dumper(driver: Any, _record: Any) -> None:
    driver.adapters.register_dumper(str, _NulSafeTextDumper)


def _session_settings(timeout_seconds: float) -> dict[str, str]:
    milliseconds = round(timeout_seconds * 1000)
    return {
        "statement_timeout": f"{2 * milliseconds}",
        "lock_timeout": f"{milliseconds}",
        "idle_in_transaction_session_timeout": f"{milliseconds}",
    }
