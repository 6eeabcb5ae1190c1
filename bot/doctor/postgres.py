"""A PostgreSQL database: whether it answers and can be used, and what the processes that share it are doing."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, exc, make_url, text

from agents.errors import StoreUnavailable
from bot.doctor.finding import Finding
from bot.doctor.sharing import jobs, processes, queues, threads
from bot.doctor.threads import threads_found
from bot.house import AGENT_NAMES
from bot.ids import utc_now
from storage.connections import Connections
from storage.jobs.looking import Load, StalledJob, loads, stalled_jobs
from storage.processes import Seen, seen_processes
from storage.refusals import mapped
from storage.schema import HEAD, version_in
from storage.thread_scan import ThreadScan, scan_threads
from storage.wakeups import Backlog, backlog

PATIENCE = 15.0
"""Seconds until we stop waiting for the database."""


@dataclass(frozen=True)
class _Form:
    """What the database says of itself."""

    server: str
    revision: str | None
    read_only: bool


@dataclass(frozen=True)
class _Sharing:
    """What those who share it say of themselves, all at the same moment."""

    processes: list[Seen]
    loads: list[Load]
    backlog: Backlog
    scan: ThreadScan


def shared_database(url: str, patience: float = PATIENCE) -> Iterator[Finding]:
    """Nothing is changed, not even the time some process was last seen. Raises StoreUnavailable."""
    form, sharing, stalled = asyncio.run(_within(url, patience))
    yield _formed(url, form)
    if sharing is not None:
        now = utc_now()
        yield from processes(sharing.processes, now)
        yield from queues(sharing.loads, sharing.processes, now)
        yield jobs(stalled)
        yield threads(sharing.backlog, now)
        yield from threads_found(sharing.scan)


async def _within(url: str, patience: float) -> tuple[_Form, _Sharing | None, list[StalledJob]]:
    try:
        async with asyncio.timeout(patience):
            form, sharing = await asyncio.to_thread(_looked_at, url)
            return form, sharing, await stalled_jobs(url) if sharing else []
    except TimeoutError as error:
        raise StoreUnavailable(f"the database did not answer within {patience:g} s: check that it runs") from error


def _looked_at(url: str) -> tuple[_Form, _Sharing | None]:
    engine = Connections.to(url).engine
    try:
        with engine.connect() as connection:
            return _look(connection)
    except exc.SQLAlchemyError as error:
        raise mapped(error) from error
    finally:
        engine.dispose()


def _look(connection: Connection) -> tuple[_Form, _Sharing | None]:
    """In a transaction that could not write if it wanted to, and that nobody commits."""
    read_only = connection.execute(text("SHOW transaction_read_only")).scalar_one() == "on"
    connection.execute(text("SET TRANSACTION READ ONLY"))
    server = str(connection.execute(text("SHOW server_version")).scalar_one()).split()[0]
    form = _Form(server, version_in(connection), read_only)
    if form.revision != HEAD:
        return form, None
    seen, waiting = seen_processes(connection), backlog(connection)
    return form, _Sharing(seen, loads(connection), waiting, scan_threads(connection, AGENT_NAMES))


def _formed(url: str, form: _Form) -> Finding:
    named = f"PostgreSQL {form.server}, {_named(url)},"
    if form.revision is not None and form.revision > HEAD:
        told, fix = f"{named} was written by a newer Handrail", "upgrade Handrail, or set another DATABASE_URL"
        return Finding(name="database", state="problem", told=told, fix=fix)
    if form.revision != HEAD:
        told = f"{named} is at revision {form.revision or 'none'} and {HEAD} is needed"
        return Finding(name="database", state="problem", told=told, fix="`handrail migrate`, before anything else")
    if form.read_only:
        told, fix = f"{named} is read-only, perhaps a standby", "set DATABASE_URL to the primary"
        return Finding(name="database", state="problem", told=told, fix=fix)
    return Finding(name="database", state="ok", told=f"{named} is at revision {HEAD}")


def _named(url: str) -> str:
    """Without user and password."""
    parsed = make_url(url)
    hosts = parsed.query.get("host", "")
    where = parsed.host or (hosts if isinstance(hosts, str) else ", ".join(hosts)) or "this machine"
    return f"database {parsed.database or parsed.username or 'of this user'} at {where}"
