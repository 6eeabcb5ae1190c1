"""Checks of the database: its revision, and on PostgreSQL the processes and the work that share it."""

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, exc, make_url, text

from agents.core.errors import HandrailError, StoreUnavailable
from bot.config.database import database_revision, database_url, is_locked, temporary_engine
from bot.config.settings import Settings
from bot.doctor.inputs import contact_findings, quarantine_findings
from bot.doctor.processes import backlog_finding, process_findings, queue_findings, stalled_job_finding
from bot.doctor.threads import thread_findings
from bot.services.ids import utc_now
from channels.abilities import Finding
from storage.contacts import Contacts, load_contacts
from storage.database.errors import to_store_error
from storage.database.postgres import is_postgres
from storage.database.postgres_pool import ConnectionPool
from storage.database.schema import HEAD_REVISION, read_revision_in
from storage.database.sqlite import sqlite_path
from storage.jobs.queue import QueueStats, StalledJob, list_stalled_jobs, queue_stats
from storage.processes import ProcessStatus, list_processes
from storage.raw_inputs import Quarantine, load_quarantine
from storage.replay import ThreadScan, scan_threads
from storage.schedule import Backlog, load_backlog


def check_database(settings: Settings, agent_names: Collection[str]) -> Iterator[Finding]:
    """Yield findings about the database, without changing it. A SQLite file in use is left to its server.

    Threads of agents that are not in `agent_names` are reported.
    """
    try:
        url = database_url(settings)
        yield from check_postgres(url, agent_names) if is_postgres(url) else _check_sqlite(url, agent_names)
    except HandrailError as error:
        yield Finding(name="database", state="problem", message=str(error))


def is_database_locked_by_server(settings: Settings) -> bool:
    """Return whether a running server has locked the database, so that only the server can read it."""
    try:
        return is_locked(database_url(settings))
    except HandrailError:
        return False


def _check_sqlite(url: str, agent_names: Collection[str]) -> Iterator[Finding]:
    yield _sqlite_finding(url)
    if sqlite_path(url).exists() and not is_locked(url) and database_revision(url) == HEAD_REVISION:
        with temporary_engine(url) as engine, engine.connect() as connection:
            yield from thread_findings(scan_threads(connection, agent_names))
            yield from quarantine_findings(load_quarantine(connection))
            yield from contact_findings(load_contacts(connection))


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


DATABASE_TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True)
class _DatabaseInfo:
    """Version, revision and mode of the database."""

    server_version: str
    revision: str | None
    is_read_only: bool


@dataclass(frozen=True)
class _WorkSnapshot:
    """Processes, queues, threads, quarantined inputs and contacts of the database, all read in one transaction."""

    processes: list[ProcessStatus]
    queue_stats: list[QueueStats]
    backlog: Backlog
    scan: ThreadScan
    quarantine: Quarantine
    contacts: Contacts


def check_postgres(
    url: str, agent_names: Collection[str], timeout_seconds: float = DATABASE_TIMEOUT_SECONDS
) -> Iterator[Finding]:
    """Yield findings about the database without changing it. Raises StoreUnavailable."""
    info, work, stalled = asyncio.run(_inspect_with_timeout(url, agent_names, timeout_seconds))
    yield _database_finding(url, info)
    if work is not None:
        now = utc_now()
        yield from process_findings(work.processes, now)
        yield from queue_findings(work.queue_stats, work.processes, now)
        yield stalled_job_finding(stalled)
        yield backlog_finding(work.backlog, now)
        yield from thread_findings(work.scan)
        yield from quarantine_findings(work.quarantine)
        yield from contact_findings(work.contacts)


async def _inspect_with_timeout(
    url: str, agent_names: Collection[str], timeout_seconds: float
) -> tuple[_DatabaseInfo, _WorkSnapshot | None, list[StalledJob]]:
    try:
        async with asyncio.timeout(timeout_seconds):
            info, work = await asyncio.to_thread(_inspect, url, agent_names)
            return info, work, await list_stalled_jobs(url) if work else []
    except TimeoutError as error:
        raise StoreUnavailable(
            f"the database did not answer within {timeout_seconds:g} s: check that it is running"
        ) from error


def _inspect(url: str, agent_names: Collection[str]) -> tuple[_DatabaseInfo, _WorkSnapshot | None]:
    engine = ConnectionPool.for_url(url).engine
    try:
        with engine.connect() as connection:
            return _read_state(connection, agent_names)
    except exc.SQLAlchemyError as error:
        raise to_store_error(error) from error
    finally:
        engine.dispose()


def _read_state(connection: Connection, agent_names: Collection[str]) -> tuple[_DatabaseInfo, _WorkSnapshot | None]:
    """Read everything in a read-only transaction, which is never committed."""
    is_read_only = connection.execute(text("SHOW transaction_read_only")).scalar_one() == "on"
    connection.execute(text("SET TRANSACTION READ ONLY"))
    version = str(connection.execute(text("SHOW server_version")).scalar_one()).split()[0]
    info = _DatabaseInfo(version, read_revision_in(connection), is_read_only)
    if info.revision != HEAD_REVISION:
        return info, None
    processes, backlog = list_processes(connection), load_backlog(connection)
    scan, quarantine = scan_threads(connection, agent_names), load_quarantine(connection)
    contacts = load_contacts(connection)
    return info, _WorkSnapshot(processes, queue_stats(connection), backlog, scan, quarantine, contacts)


def _database_finding(url: str, info: _DatabaseInfo) -> Finding:
    subject = f"PostgreSQL {info.server_version}, {_describe_database(url)},"
    if info.revision is not None and info.revision > HEAD_REVISION:
        message, fix = f"{subject} was written by a newer Handrail", "upgrade Handrail, or set another DATABASE_URL"
        return Finding(name="database", state="problem", message=message, fix=fix)
    if info.revision != HEAD_REVISION:
        current = f"is at revision {info.revision}" if info.revision else "has no schema revision"
        message, fix = f"{subject} {current}, but {HEAD_REVISION} is needed", "run `handrail migrate` first"
        return Finding(name="database", state="problem", message=message, fix=fix)
    if info.is_read_only:
        message, fix = f"{subject} is read-only, perhaps a standby", "set DATABASE_URL to the primary"
        return Finding(name="database", state="problem", message=message, fix=fix)
    return Finding(name="database", state="ok", message=f"{subject} is at revision {HEAD_REVISION}")


def _describe_database(url: str) -> str:
    """Return the names of the database and its host, without user and password."""
    parsed = make_url(url)
    hosts = parsed.query.get("host", "")
    host = parsed.host or (hosts if isinstance(hosts, str) else ", ".join(hosts)) or "this machine"
    return f"database {parsed.database or parsed.username or 'of this user'} at {host}"
