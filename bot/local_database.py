"""The database of this machine before a process runs on it: whether one does, and the form it is in."""

from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine

from agents.errors import Misconfigured
from bot.settings import Settings
from storage.database import connect, lock_path, mapped, sqlite_path
from storage.lock import FileLock
from storage.schema import HEAD, migrate, version_of


def url_of(settings: Settings) -> str:
    """The database's URL. Raises Misconfigured for PostgreSQL, which this version does not have yet."""
    url = settings.database_url.get_secret_value()
    if not url.startswith("sqlite:"):
        raise Misconfigured("PostgreSQL comes with a later version; until then set DATABASE_URL to sqlite:///FILE")
    return url


def held(url: str) -> bool:
    """Whether another process runs on the database. Raises Misconfigured when its folder cannot be written."""
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
    """Migrate, and tell the revisions before and after.

    Raises Misconfigured when another process runs on it or it is newer than this build, StoreUnavailable.
    """
    _make_folder(sqlite_path(url).parent)
    lock = FileLock.take(lock_path(url))
    engine = connect(url)
    try:
        return _migrated(engine)
    except BaseException as error:
        raise mapped(error) from error
    finally:
        engine.dispose()
        lock.release()


def revision(url: str) -> str | None:
    """The revision the database is at, None when there is no database yet. Raises StoreUnavailable."""
    if not sqlite_path(url).exists():
        return None
    engine = connect(url)
    try:
        return version_of(engine)
    except BaseException as error:
        raise mapped(error) from error
    finally:
        engine.dispose()


def _make_folder(folder: Path) -> None:
    """For its owner alone: it holds all that was said. Whoever needs it next says why it could not be made."""
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _migrated(engine: Engine) -> tuple[str | None, str]:
    before = version_of(engine)
    return before, before if before == HEAD else migrate(engine)
