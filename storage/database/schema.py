"""Schema revisions: the one this build needs, the one a database has, and migrations."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, exc, inspect, text

from agents.core.errors import ConfigurationError

HEAD_REVISION = "0010"
_ADVISORY_LOCK = text("SELECT pg_advisory_lock(hashtext('handrail: migration'))")
MIGRATIONS = Path(__file__).parents[1] / "migrations"


def read_revision(engine: Engine) -> str | None:
    """Return the revision of a database, None if it has none."""
    with engine.connect() as connection:
        return read_revision_in(connection)


def read_revision_in(connection: Connection) -> str | None:
    """Return the revision of a database, read on an open connection."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


@contextmanager
def migration_lock(engine: Engine) -> Iterator[None]:
    """Prevent concurrent migrations of a shared database. A SQLite file has its own lock (storage.database.sqlite)."""
    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.connect() as connection:
        connection.execute(_ADVISORY_LOCK)
        yield  # the lock belongs to the session and ends with it


def check_writable(connection: Connection) -> None:
    """Execute an update without effect. A read-only SQLite file allows BEGIN and COMMIT, so only a write detects it."""
    connection.execute(text("UPDATE alembic_version SET version_num = version_num"))


def check_revision(engine: Engine) -> None:
    """Raise ConfigurationError unless the database is at the revision this build needs."""
    found = read_revision(engine)
    if found == HEAD_REVISION:
        return
    if found is None or found < HEAD_REVISION:
        raise ConfigurationError(
            f"the database is at revision {found or 'none'} and needs {HEAD_REVISION}: run `handrail migrate`"
        )
    raise ConfigurationError(
        f"the database was written by a newer Handrail (revision {found}, this one knows {HEAD_REVISION}): "
        "upgrade Handrail, or set another DATABASE_URL"
    )


def migrate(engine: Engine, to: str = "head") -> str:
    """Migrate the database to a revision and return it. Raises ConfigurationError if it is newer than this build."""
    found = read_revision(engine)
    if found is not None and found > HEAD_REVISION:
        check_revision(engine)
    if found != HEAD_REVISION or to != "head":
        _run_alembic(engine, to)
    return read_revision(engine) or "base"


def _run_alembic(engine: Engine, to: str) -> None:
    from alembic import command  # noqa: PLC0415 - 0.1 s of start-up that only a migration needs
    from alembic.config import Config  # noqa: PLC0415 - the same

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        move = command.downgrade if to not in ("head", HEAD_REVISION) else command.upgrade
        try:
            move(config, to)
        except exc.SQLAlchemyError:
            connection.rollback()
            raise
        connection.commit()
