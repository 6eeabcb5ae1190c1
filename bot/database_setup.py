"""The database before a process runs on it: whether one has it for itself, and the form it is in."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Engine

from agents.errors import ConfigurationError
from bot.settings import Settings
from storage.database import create_database_engine
from storage.errors import to_store_error
from storage.file_lock import FileLock
from storage.postgres import is_postgres
from storage.schema import HEAD_REVISION, migrate, migration_lock, read_revision
from storage.sqlite import lock_path, make_private, sqlite_path


def database_url(settings: Settings) -> str:
    """The database's URL. Raises Misconfigured for one that is neither SQLite nor PostgreSQL."""
    url = settings.database_url.get_secret_value()
    if not is_postgres(url):
        sqlite_path(url)
    return url


def is_locked(url: str) -> bool:
    """Whether another process has the database for itself. Raises Misconfigured when its folder cannot be written."""
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
    """Migrate, and tell the revisions before and after. One process at a time; the others find it done.

    Raises Misconfigured when another process has the file or it is newer than this build, StoreUnavailable.
    """
    with looking(url, alone=True) as engine, migration_lock(engine):
        before = read_revision(engine)
        return before, before if before == HEAD_REVISION else migrate(engine)


def database_revision(url: str) -> str | None:
    """The revision the database is at, None when there is no database yet. Raises StoreUnavailable."""
    if not is_postgres(url) and not sqlite_path(url).exists():
        return None
    with looking(url) as engine:
        return read_revision(engine)


@contextmanager
def looking(url: str, *, alone: bool = False) -> Iterator[Engine]:
    """An engine outside of `Database`; `alone` keeps other processes from a SQLite file meanwhile."""
    lock = _lock_sqlite(url) if alone and not is_postgres(url) else None
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
    """For its owner alone: it holds all that was said. Whoever needs it next says why it could not be made."""
    with suppress(OSError):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
