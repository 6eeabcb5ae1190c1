"""The schema's version: which one this build needs, which one a database has, and how to get there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, exc, inspect, text

from agents.errors import Misconfigured

HEAD = "0005"
_LOCK = text("SELECT pg_advisory_lock(hashtext('handrail: migration'))")
MIGRATIONS = Path(__file__).with_name("migrations")


def version_of(engine: Engine) -> str | None:
    """The revision a database is at, None when it has none yet."""
    with engine.connect() as connection:
        return version_in(connection)


def version_in(connection: Connection) -> str | None:
    """The same, as a transaction finds it."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


@contextmanager
def one_at_a_time(engine: Engine) -> Iterator[None]:
    """Keep other processes from migrating a shared database meanwhile. A file is locked by whoever has it."""
    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.connect() as connection:
        connection.execute(_LOCK)
        yield  # the lock is the session's, and ends with it


def prove_writable(connection: Connection) -> None:
    """Write, and change nothing. Beginning is no proof: a read-only file lets a transaction begin, and end."""
    connection.execute(text("UPDATE alembic_version SET version_num = version_num"))


def require_current(engine: Engine) -> None:
    """Raises Misconfigured unless the database is at the revision this build was written for."""
    found = version_of(engine)
    if found == HEAD:
        return
    if found is None or found < HEAD:
        raise Misconfigured(f"the database is at revision {found or 'none'} and needs {HEAD}: run `handrail migrate`")
    raise Misconfigured(
        f"the database was written by a newer Handrail (revision {found}, this one knows {HEAD}): "
        "upgrade Handrail, or set another DATABASE_URL"
    )


def migrate(engine: Engine, to: str = "head") -> str:
    """Bring the database to a revision; returns it. Raises Misconfigured when it is newer than this build."""
    found = version_of(engine)
    if found is not None and found > HEAD:
        require_current(engine)
    if found != HEAD or to != "head":
        _run_alembic(engine, to)
    return version_of(engine) or "base"


def _run_alembic(engine: Engine, to: str) -> None:
    from alembic import command  # noqa: PLC0415 - 0.1 s of start-up that only a migration needs
    from alembic.config import Config  # noqa: PLC0415 - the same

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        move = command.downgrade if to not in ("head", HEAD) else command.upgrade
        try:
            move(config, to)
        except exc.SQLAlchemyError:
            connection.rollback()
            raise
        connection.commit()
