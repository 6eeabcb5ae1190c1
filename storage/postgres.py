"""PostgreSQL as people name it, the settings of every connection, and an engine to look at a database or migrate it."""

import re
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

CONNECT_PARAMETERS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "client_encoding": "UTF8",
}
"""Parameters of libpq: seconds, but milliseconds until sent data must be acknowledged. The URL may say otherwise."""

_SESSION_SETTINGS = {
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "default_transaction_isolation": "read committed",
}
"""What Handrail's statements rest on. A server, a database or a role may have other defaults."""


_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]]+)(?::[0-9]{1,5})?")


def is_postgres(url: str) -> bool:
    """Whether the URL names a PostgreSQL database. Raises what SQLAlchemy raises for one that is no URL."""
    return make_url(url).get_backend_name() in ("postgresql", "postgres")


def psycopg_url(url: str) -> URL:
    """The URL with the driver we use: people write `postgresql://` or `postgres://`."""
    return make_url(url).set(drivername="postgresql+psycopg")


def expand_multi_host_url(url: str) -> str:
    """Return a URL that names several hosts, `postgresql://u:p@one:5432,two/db`, in the form that SQLAlchemy reads.

    libpq tries the hosts in their order (PostgreSQL manual, 34.1.1.3). Any other URL is returned as it is. Raises
    ValueError for what is no host.
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
    """Return libpq's parameters for connections to a URL, with these settings of the server for their sessions."""
    query = psycopg_url(url).query
    options = [f"-c {name}={_escape_option(value)}" for name, value in {**_SESSION_SETTINGS, **settings}.items()]
    theirs = query.get("options", "")
    given = theirs if isinstance(theirs, str) else " ".join(theirs)
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
    """An engine for migrations and for looking at a database: without limits on how long a statement takes."""
    return create_engine(psycopg_url(url), connect_args=connect_arguments(url))
