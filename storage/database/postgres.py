"""PostgreSQL URLs, session settings and response timeouts of connections, and an engine for checks and migrations.

TCP notices dropped packets, but not a load balancer or pooler that has forgotten the connection and still acknowledges
what is sent: for those a connection has a response timeout.
"""

import re
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from psycopg import AsyncConnection, Connection, OperationalError
from psycopg.abc import RV, PQGen
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

CONNECT_PARAMETERS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "client_encoding": "UTF8",
}
"""libpq parameters in seconds, except `tcp_user_timeout` in milliseconds. The URL may override them."""

_SESSION_SETTINGS = {
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "default_transaction_isolation": "read committed",
}
"""Session settings that the statements rely on; the defaults of a server, database or role may differ."""


_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]]+)(?::[0-9]{1,5})?")


def is_postgres(url: str) -> bool:
    """Return whether the URL names a PostgreSQL database. Raises SQLAlchemy's ArgumentError for an invalid URL."""
    return make_url(url).get_backend_name() in ("postgresql", "postgres")


def psycopg_url(url: str) -> URL:
    """Return the URL with the psycopg driver; users write `postgresql://` or `postgres://`."""
    return make_url(url).set(drivername="postgresql+psycopg")


def expand_multi_host_url(url: str) -> str:
    """Return a URL that names several hosts, `postgresql://u:p@one:5432,two/db`, in the form that SQLAlchemy reads.

    libpq tries the hosts in their order (PostgreSQL manual, 34.1.1.3). Any other URL is returned as it is. Raises
    ValueError for an invalid host.
    """
    parts = urlsplit(url)
    credentials, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts or parts.scheme not in ("postgresql", "postgres"):
        return url
    if not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        raise ValueError("a host of the URL is not HOST or HOST:PORT")
    named = "&".join(f"host={quote(host, safe=':[]')}" for host in hosts.split(","))
    query = "&".join(filter(None, (named, parts.query)))
    return urlunsplit(parts._replace(netloc=f"{credentials}{at}", query=query))


def connect_arguments(url: str, **settings: str) -> dict[str, Any]:
    """Return libpq's connection parameters to add to those in the URL: defaults it does not set, and session settings.

    `settings` are session settings in addition to those of all connections.
    """
    query = psycopg_url(url).query
    options = [f"-c {name}={_escape_option(value)}" for name, value in {**_SESSION_SETTINGS, **settings}.items()]
    url_options = query.get("options", "")
    given = url_options if isinstance(url_options, str) else " ".join(url_options)
    defaults = {name: value for name, value in CONNECT_PARAMETERS.items() if name not in query}
    return {**defaults, "options": " ".join(filter(None, (given, *options)))}


def _escape_option(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def conninfo(url: str, *, application_name: str = "handrail", **settings: str) -> str:
    """Return libpq's connection string for a URL."""
    _, named = PGDialect_psycopg().create_connect_args(psycopg_url(url))  # type: ignore[no-untyped-call]
    arguments = {**named, **connect_arguments(url, **settings)}
    return make_conninfo(application_name=application_name, **arguments)


def postgres_engine(url: str) -> Engine:
    """Return an engine for migrations and checks, without a statement timeout."""
    return create_engine(psycopg_url(url), connect_args=connect_arguments(url))


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
