"""One job for many events: the worker that takes it sees all of them, also one being committed."""

import asyncio

from procrastinate import PsycopgConnector
from procrastinate.manager import JobManager
from sqlalchemy import Connection, text

from agents.core.state import ThreadState
from storage.database.database import Database
from storage.database.postgres import conninfo
from storage.database.transactions import WriteBatch
from storage.event_store import ThreadStore
from storage.jobs import defer
from tests.postgres import admin_engine
from tests.storage.jobs.recording_worker import (
    WAIT_FOR_ADVISORY_LOCK,
    enqueue,
    job,
    list_jobs,
    wait_for_blocked_transactions,
)
from tests.storage.jobs.test_queue import BOTH_COMMIT_METHODS
from tests.storage.test_event_store import append_events, opening_events, pause_event


async def fetch_the_job(url: str) -> None:
    connector = PsycopgConnector(conninfo=conninfo(url))
    await connector.open_async()
    manager = JobManager(connector)
    assert await manager.fetch_job(["advance"], await manager.register_worker()) is not None
    await connector.close_async()


@BOTH_COMMIT_METHODS
async def test_job_fetched_before_a_coalesced_commit_sees_its_event(database: Database, for_update: bool) -> None:
    """A commit adds no job, since one waits. Before it commits, that job is fetched. Its worker must wait for the
    writer: otherwise it would miss the event, and no further job would follow."""
    wake_up = job("wake up", lock="thr_1", queueing_lock="advance:thr_1")
    writer_store, worker_store = ThreadStore(is_multi_process=True), ThreadStore(is_multi_process=True)

    def write(connection: Connection, writes: WriteBatch) -> None:
        before = writer_store.load(connection, "thr_1")
        append_events(writer_store, writes, before, pause_event(before))
        defer(writes, [wake_up])
        writes.add(WAIT_FOR_ADVISORY_LOCK, [{}])

    def load_version(connection: Connection, *, latest: bool) -> int:
        read = worker_store.load_latest if latest else worker_store.load
        return read(connection, "thr_1").version

    await database.commit_batch(lambda _, writes: append_events(writer_store, writes, ThreadState(), *opening_events()))
    await enqueue(database, wake_up)
    engine = admin_engine(database.url)
    with engine.connect() as other:
        other.execute(text("SELECT pg_advisory_lock(1)"))
        commit = asyncio.create_task(database.commit_batch(write, for_update=for_update))
        await wait_for_blocked_transactions(other, 1)
        await fetch_the_job(database.url)
        assert await database.transaction(lambda connection: load_version(connection, latest=False)) == 2
        load = asyncio.create_task(database.read(lambda connection: load_version(connection, latest=True)))
        await wait_for_blocked_transactions(other, 2)
        other.execute(text("SELECT pg_advisory_unlock(1)"))
    engine.dispose()
    await commit
    assert await load == 3
    assert await database.transaction(list_jobs) == ["wake up doing"]
