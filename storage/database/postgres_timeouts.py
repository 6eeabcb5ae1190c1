"""PostgreSQL connections with a response timeout.

TCP notices dropped packets (`storage.database.postgres`), but not a load balancer or pooler that has forgotten the
connection and still acknowledges what is sent.
"""

from typing import Any

from psycopg import AsyncConnection, Connection, OperationalError
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine, create_engine, event

from storage.database.postgres import connect_arguments, psycopg_url

RESPONSE_TIMEOUT_SECONDS = 15.0
"""Timeout per command in seconds, longer than `statement_timeout`, so that a slow server answers first."""
_POLL_INTERVAL_SECONDS = 0.1
_TIMEOUT_MESSAGE = "connection closed: the server did not answer within {:g} s"


class TimeoutConnection(Connection):
    """Connection that is closed with an OperationalError if a command takes longer than `response_timeout_seconds`."""

    response_timeout_seconds = RESPONSE_TIMEOUT_SECONDS

    def wait(self, gen: PQGen[RV], interval: float = _POLL_INTERVAL_SECONDS, timeout: float | None = None) -> RV:
        """Wait for the server, at most `timeout` seconds where psycopg gives one (as for notifications)."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.response_timeout_seconds)
        except OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.pgconn.finish()
            raise OperationalError(_TIMEOUT_MESSAGE.format(self.response_timeout_seconds)) from error


class TimeoutAsyncConnection(AsyncConnection):
    """Async connection with the same response timeout."""

    async def wait(self, gen: PQGen[RV], interval: float = _POLL_INTERVAL_SECONDS, timeout: float | None = None) -> RV:  # noqa: ASYNC109 - psycopg's
        """Wait for the server, at most `timeout` seconds where psycopg gives one (as for notifications)."""
        if timeout is not None:
            return await super().wait(gen, interval, timeout)
        try:
            return await super().wait(gen, interval, RESPONSE_TIMEOUT_SECONDS)
        except OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.pgconn.finish()
            raise OperationalError(_TIMEOUT_MESSAGE.format(RESPONSE_TIMEOUT_SECONDS)) from error


def create_timeout_engine(
    url: str, response_timeout_seconds: float, *, name: str, size: int, **settings: str
) -> Engine:
    """Return an engine with at most `size` TimeoutConnections; `name` is shown in pg_stat_activity."""
    options = {**connect_arguments(url, **settings), "application_name": name}
    engine = create_engine(psycopg_url(url), pool_size=size, max_overflow=0, connect_args=options)
    event.listen(
        engine, "do_connect", lambda _dialect, _record, _, parameters: _connect(response_timeout_seconds, parameters)
    )
    return engine


def _connect(response_timeout_seconds: float, parameters: dict[str, Any]) -> TimeoutConnection:
    connection = TimeoutConnection.connect(**parameters)
    connection.response_timeout_seconds = response_timeout_seconds
    return connection
