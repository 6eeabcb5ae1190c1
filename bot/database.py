"""The database before a process runs on it: whether one has it for itself, and the form it is in."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Engine

from agents.errors import Misconfigured
from bot.settings import Settings
from storage.database import connect
from storage.lock import FileLock
from storage.postgres import is_postgres
from storage.refusals import mapped
from storage.schema import HEAD, migrate, one_at_a_time, version_of
from storage.sqlite import lock_path, make_private, sqlite_path


def url_of(settings: Settings) -> str:
    """The database's URL. Raises Misconfigured for one that is neither SQLite nor PostgreSQL."""
    url = settings.database_url.get_secret_value()
    if not is_postgres(url):
        sqlite_path(url)
    return url


def held(url: str) -> bool:
    """Whether another process has the database for itself. Raises Misconfigured when its folder cannot be written."""
    if is_postgres(url):
        return False
    if not sqlite_path(url).exists():
        return False
    try:
        FileLock.take(lock_path(url)).release()
    except Misconfigured as error:
        if isinstance(error.__cause__, BlockingIOError):
            return True
        raise
    return False


def bring_up_to_date(url: str) -> tuple[str | None, str]:
    """Migrate, and tell the revisions before and after. One process at a time; the others find it done.

    Raises Misconfigured when another process has the file or it is newer than this build, StoreUnavailable.
    """
    with looking(url, alone=True) as engine, one_at_a_time(engine):
        before = version_of(engine)
        return before, before if before == HEAD else migrate(engine)


def revision(url: str) -> str | None:
    """The revision the database is at, None when there is no database yet. Raises StoreUnavailable."""
    if not is_postgres(url) and not sqlite_path(url).exists():
        return None
    with looking(url) as engine:
        return version_of(engine)


@contextmanager
def looking(url: str, *, alone: bool = False) -> Iterator[Engine]:
    """An engine outside of `Database`; `alone` keeps other processes from a SQLite file meanwhile."""
    lock = _locked(url) if alone and not is_postgres(url) else None
    engine = connect(url)
    try:
        yield engine
    except BaseException as error:
        raise mapped(error) from error
    finally:
        engine.dispose()
        if lock is not None:
            lock.release()


def _locked(url: str) -> FileLock:
    _make_folder(sqlite_path(url).parent)
    lock = FileLock.take(lock_path(url))
    try:
        make_private(url)
    except BaseException:
        lock.release()
        raise
    return lock


def _make_folder(folder: Path) -> None:
    """For its owner alone: it holds all that was said. Whoever needs it next says why it could not be made."""
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
