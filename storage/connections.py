"""Connections to PostgreSQL, lent to one thread at a time. On each of them every statement stands alone."""

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
"""Connections of one process, apart from those for its jobs."""
WAIT_TIMEOUT_SECONDS = 5.0
"""Seconds to wait for a connection, for a lock, and in the middle of a transaction."""


@dataclass
class ConnectionPool:
    """Those that wait here are open; SQLAlchemy's own pool behind them, which takes its time, makes and mends them."""

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
        """One for a while: after an error it is looked after. Raises OperationalError when there is none to be had."""
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
        """Once nobody has one any more."""
        self._drop_idle()
        self.engine.dispose()

    def _drop_idle(self) -> None:
        """Close the connections that wait here: whatever ended one of them has mostly ended all."""
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
    """Psycopg's own connection."""
    return cast(Driver, connection.connection.driver_connection)


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """All statements of the block belong together. Raises DBAPIError when they cannot be committed."""
    with wrap_driver_errors(connection), psycopg_connection(connection).transaction():
        yield


@contextmanager
def wrap_driver_errors(connection: Connection) -> Iterator[None]:
    """What psycopg raises, SQLAlchemy would have wrapped: so does this."""
    driver = psycopg_connection(connection)
    try:
        yield
    except Error as error:
        if driver.closed:
            connection.invalidate(error)
        raise exc.DBAPIError(None, None, error, connection_invalidated=driver.closed) from error


def _is_closed_by_server(driver: Driver) -> bool:
    """A server that ends a connection says so, and nobody hears it while the connection waits.

    Found out here it costs nothing. Found out while committing, nobody would know what was kept.
    """
    said = select.poll()
    said.register(driver.fileno(), select.POLLIN)
    return bool(said.poll(0))


def _check_on_checkout(driver: Any, _record: Any, _checkout: Any) -> None:
    if _is_closed_by_server(driver):
        raise exc.InvalidatePoolError


class _NulSafeTextDumper(StrDumperUnknown):
    """Text as PostgreSQL can hold it: it knows no NUL. Ids and names with one are nobody's; contents are JSON."""

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
