"""PostgreSQL as people name it, and an engine to look at one and to migrate it."""

from sqlalchemy import URL, Engine, create_engine, make_url

CONNECT = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


def is_postgres(url: str) -> bool:
    """Whether the URL names a PostgreSQL database. Raises what SQLAlchemy raises for one that is no URL."""
    return make_url(url).get_backend_name() in ("postgresql", "postgres")


def psycopg_url(url: str) -> URL:
    """The URL with the driver we use: people write `postgresql://` or `postgres://`."""
    return make_url(url).set(drivername="postgresql+psycopg")


def conninfo(url: str) -> str:
    """The URL as libpq reads it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def postgres_engine(url: str) -> Engine:
    """An engine for migrations and for looking at a database: without limits on how long a statement takes."""
    return create_engine(psycopg_url(url), connect_args=CONNECT)
