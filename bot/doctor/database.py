"""The database: whether it can be opened, and is of this version."""

from collections.abc import Iterator

from agents.errors import HandrailError
from bot.database import held, looking, revision, url_of
from bot.doctor.finding import Finding
from bot.house import AGENT_NAMES
from bot.settings import Settings
from storage.postgres import is_postgres
from storage.schema import HEAD
from storage.sqlite import sqlite_path


def database(settings: Settings) -> Iterator[Finding]:
    """What `up` would find. Nothing is changed, and a database in use is left to its server."""
    try:
        url = url_of(settings)
        yield from _shared(url) if is_postgres(url) else _own(url)
    except HandrailError as error:
        yield Finding(name="database", state="problem", told=str(error))


def is_left_to_server(settings: Settings) -> bool:
    """Return whether only the server that has the database for itself can tell what is in it."""
    try:
        return held(url_of(settings))
    except HandrailError:
        return False


def _own(url: str) -> Iterator[Finding]:
    yield _looked_at(url)
    if sqlite_path(url).exists() and not held(url) and revision(url) == HEAD:
        from bot.doctor.threads import threads_found  # noqa: PLC0415 - 0.2 s that a database in use does without
        from storage.thread_scan import scan_threads  # noqa: PLC0415 - the same

        with looking(url) as engine, engine.connect() as connection:
            yield from threads_found(scan_threads(connection, AGENT_NAMES))


def _shared(url: str) -> Iterator[Finding]:
    from bot.doctor.postgres import shared_database  # noqa: PLC0415 - 0.3 s that nobody on SQLite should wait for

    yield from shared_database(url)


def _looked_at(url: str) -> Finding:
    path = sqlite_path(url)
    if not path.exists():
        return Finding(name="database", state="ok", told=f"{path} will be made at the first start")
    if held(url):
        return Finding(name="database", state="ok", told=f"{path} is in use by a running Handrail")
    found = revision(url)
    if found == HEAD:
        return Finding(name="database", state="ok", told=f"{path} is at revision {HEAD}")
    if found is None or found < HEAD:
        told = f"{path} is at revision {found or 'none'} and {HEAD} is needed"
        return Finding(name="database", state="warning", told=told, fix="`handrail migrate`, or `handrail up` does it")
    told, fix = f"{path} was written by a newer Handrail", "upgrade Handrail, or set another DATABASE_URL"
    return Finding(name="database", state="problem", told=told, fix=fix)
