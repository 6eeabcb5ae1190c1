"""Setup of the database before a process uses it: locks, revision and migration."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Engine

from agents.core.errors import ConfigurationError
from bot.config.settings import Settings
from storage.database.database import create_database_engine
from storage.database.errors import to_store_error
from storage.database.postgres import is_postgres
from storage.database.schema import HEAD_REVISION, migrate, migration_lock, read_revision
from storage.database.sqlite import FileLock, lock_path, make_private, sqlite_path


def database_url(settings: Settings) -> str:
    """Return the database's URL. Raises ConfigurationError if it is neither SQLite nor PostgreSQL."""
    url = settings.database_url.get_secret_value()
    if not is_postgres(url):
        sqlite_path(url)
    return url


def is_locked(url: str) -> bool:
    """Return whether another process has locked the SQLite file. Raises ConfigurationError for a read-only folder."""
    if is_postgres(url):
        return False
    if not sqlite_path(url).exists():
        return False
    try:
        FileLock.acquire(lock_path(url)).release()
    except ConfigurationError as error:
        if isinstance(error.__cause__, BlockingIOError):
            return True
        raise
    return False


def migrate_database(url: str) -> tuple[str | None, str]:
    """Migrate the database and return the revisions before and after. Concurrent calls run one after the other.

    Raises ConfigurationError if another process has locked the file or the revision is newer than this build, and
    StoreUnavailable.
    """
    with temporary_engine(url, lock_sqlite=True) as engine, migration_lock(engine):
        before = read_revision(engine)
        return before, before if before == HEAD_REVISION else migrate(engine)


def database_revision(url: str) -> str | None:
    """Return the revision of the database, None if there is no database yet. Raises StoreUnavailable."""
    if not is_postgres(url) and not sqlite_path(url).exists():
        return None
    with temporary_engine(url) as engine:
        return read_revision(engine)


@contextmanager
def temporary_engine(url: str, *, lock_sqlite: bool = False) -> Iterator[Engine]:
    """Open an engine outside of `Database`. `lock_sqlite` keeps other processes from a SQLite file meanwhile."""
    lock = _lock_sqlite(url) if lock_sqlite and not is_postgres(url) else None
    engine = create_database_engine(url)
    try:
        yield engine
    except BaseException as error:
        raise to_store_error(error) from error
    finally:
        engine.dispose()
        if lock is not None:
            lock.release()


def _lock_sqlite(url: str) -> FileLock:
    _create_directory(sqlite_path(url).parent)
    lock = FileLock.acquire(lock_path(url))
    try:
        make_private(url)
    except BaseException:
        lock.release()
        raise
    return lock


def _create_directory(directory: Path) -> None:
    """Create the directory, open to its owner only. Errors are ignored here: opening the lock file reports them."""
    with suppress(OSError):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
