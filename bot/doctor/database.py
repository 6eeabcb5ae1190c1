"""The database: whether it can be opened, and is of this version."""

from collections.abc import Iterator

from agents.errors import HandrailError
from bot.database_setup import database_revision, database_url, is_locked, looking
from bot.doctor.finding import Finding
from bot.installation import AGENT_NAMES
from bot.settings import Settings
from storage.postgres import is_postgres
from storage.schema import HEAD_REVISION
from storage.sqlite import sqlite_path


def check_database(settings: Settings) -> Iterator[Finding]:
    """What `up` would find. Nothing is changed, and a database in use is left to its server."""
    try:
        url = database_url(settings)
        yield from _check_shared_database(url) if is_postgres(url) else _own(url)
    except HandrailError as error:
        yield Finding(name="database", state="problem", message=str(error))


def is_left_to_server(settings: Settings) -> bool:
    """Return whether only the server that has the database for itself can tell what is in it."""
    try:
        return is_locked(database_url(settings))
    except HandrailError:
        return False


def _own(url: str) -> Iterator[Finding]:
    yield _check_sqlite(url)
    if sqlite_path(url).exists() and not is_locked(url) and database_revision(url) == HEAD_REVISION:
        from bot.doctor.threads import threads_found  # noqa: PLC0415 - 0.2 s that a database in use does without
        from storage.thread_scan import scan_threads  # noqa: PLC0415 - the same

        with looking(url) as engine, engine.connect() as connection:
            yield from threads_found(scan_threads(connection, AGENT_NAMES))


def _check_shared_database(url: str) -> Iterator[Finding]:
    from bot.doctor.postgres import check_postgres  # noqa: PLC0415 - 0.3 s that nobody on SQLite should wait for

    yield from check_postgres(url)


def _check_sqlite(url: str) -> Finding:
    path = sqlite_path(url)
    if not path.exists():
        return Finding(name="database", state="ok", message=f"{path} will be made at the first start")
    if is_locked(url):
        return Finding(name="database", state="ok", message=f"{path} is in use by a running Handrail")
    found = database_revision(url)
    if found == HEAD_REVISION:
        return Finding(name="database", state="ok", message=f"{path} is at revision {HEAD_REVISION}")
    if found is None or found < HEAD_REVISION:
        told = f"{path} is at revision {found or 'none'} and {HEAD_REVISION} is needed"
        return Finding(
            name="database", state="warning", message=told, fix="`handrail migrate`, or `handrail up` does it"
        )
    told, fix = f"{path} was written by a newer Handrail", "upgrade Handrail, or set another DATABASE_URL"
    return Finding(name="database", state="problem", message=told, fix=fix)
