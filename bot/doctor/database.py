"""Check of the database: whether it can be opened and has the revision of this version."""

from collections.abc import Iterator

from agents.errors import HandrailError
from bot.database_setup import database_revision, database_url, is_locked, temporary_engine
from bot.doctor.finding import Finding
from bot.installation import AGENT_NAMES
from bot.settings import Settings
from storage.postgres import is_postgres
from storage.schema import HEAD_REVISION
from storage.sqlite import sqlite_path


def check_database(settings: Settings) -> Iterator[Finding]:
    """Yield findings about the database, without changing it. A SQLite file in use is left to its server."""
    try:
        url = database_url(settings)
        yield from _check_shared_database(url) if is_postgres(url) else _check_sqlite(url)
    except HandrailError as error:
        yield Finding(name="database", state="problem", message=str(error))


def is_left_to_server(settings: Settings) -> bool:
    """Return whether a running server has locked the database, so that only the server can read it."""
    try:
        return is_locked(database_url(settings))
    except HandrailError:
        return False


def _check_sqlite(url: str) -> Iterator[Finding]:
    yield _sqlite_finding(url)
    if sqlite_path(url).exists() and not is_locked(url) and database_revision(url) == HEAD_REVISION:
        from bot.doctor.threads import thread_findings  # noqa: PLC0415 - importing it takes 0.2 s
        from storage.thread_scan import scan_threads  # noqa: PLC0415 - the same

        with temporary_engine(url) as engine, engine.connect() as connection:
            yield from thread_findings(scan_threads(connection, AGENT_NAMES))


def _check_shared_database(url: str) -> Iterator[Finding]:
    from bot.doctor.postgres import check_postgres  # noqa: PLC0415 - importing it takes 0.3 s, needless with SQLite

    yield from check_postgres(url)


def _sqlite_finding(url: str) -> Finding:
    path = sqlite_path(url)
    if not path.exists():
        return Finding(name="database", state="ok", message=f"{path} will be created at the first start")
    if is_locked(url):
        return Finding(name="database", state="ok", message=f"{path} is in use by a running Handrail")
    revision = database_revision(url)
    if revision == HEAD_REVISION:
        return Finding(name="database", state="ok", message=f"{path} is at revision {HEAD_REVISION}")
    if revision is None or revision < HEAD_REVISION:
        current = f"is at revision {revision}" if revision else "has no schema revision"
        message = f"{path} {current}, but {HEAD_REVISION} is needed"
        fix = "run `handrail migrate`; `handrail up` also migrates"
        return Finding(name="database", state="warning", message=message, fix=fix)
    message, fix = f"{path} was written by a newer Handrail", "upgrade Handrail, or set another DATABASE_URL"
    return Finding(name="database", state="problem", message=message, fix=fix)
