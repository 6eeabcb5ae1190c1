"""One wake-up for many events: whoever takes it sees them all, also those that are being written meanwhile."""

import asyncio

from procrastinate import PsycopgConnector
from procrastinate.manager import JobManager
from sqlalchemy import Connection, text

from agents.state import ThreadState
from storage.database import Database
from storage.event_store import ThreadStore
from storage.jobs import defer
from storage.postgres import conninfo
from storage.write_batch import WriteBatch
from tests.postgres import admin_engine
from tests.storage.jobs.recording_worker import WAIT_FOR_LOCK, enqueue, job, list_jobs, wait_for_blocked_transactions
from tests.storage.jobs.test_queue import BOTH_WAYS
from tests.storage.test_event_store import append, opening, pause


async def take_the_job(url: str) -> None:
    connector = PsycopgConnector(conninfo=conninfo(url))
    await connector.open_async()
    manager = JobManager(connector)
    assert await manager.fetch_job(["advance"], await manager.register_worker()) is not None
    await connector.close_async()


@BOTH_WAYS
async def test_a_wake_up_taken_between_its_coalescing_and_the_commit_still_sees_the_event(
    database: Database, locking: bool
) -> None:
    """A message is written and needs no job, since one waits. Before its commit that job is taken: by whom it was
    for, who sees no news unless he waits for the writer, and then nobody would ever come again."""
    wake_up = job("wake up", lock="thr_1", queueing_lock="advance:thr_1")
    here, elsewhere = ThreadStore(is_multi_process=True), ThreadStore(is_multi_process=True)

    def write(connection: Connection, writes: WriteBatch) -> None:
        before = here.load(connection, "thr_1")
        append(here, writes, before, pause(before))
        defer(writes, [wake_up])
        writes.add(WAIT_FOR_LOCK, [{}])

    def look(connection: Connection, *, settled: bool) -> int:
        read = elsewhere.load_latest if settled else elsewhere.load
        return read(connection, "thr_1").version

    await database.commit_batch(lambda _, w: append(here, w, ThreadState(), *opening()))
    await enqueue(database, wake_up)
    engine = admin_engine(database.url)
    with engine.connect() as other:
        other.execute(text("SELECT pg_advisory_lock(1)"))
        writing = asyncio.create_task(database.commit_batch(write, for_update=locking))
        await wait_for_blocked_transactions(other, 1)
        await take_the_job(database.url)
        assert await database.transaction(lambda connection: look(connection, settled=False)) == 2
        looking = asyncio.create_task(database.read(lambda connection: look(connection, settled=True)))
        await wait_for_blocked_transactions(other, 2)
        other.execute(text("SELECT pg_advisory_unlock(1)"))
    engine.dispose()
    await writing
    assert await looking == 3
    assert await database.transaction(list_jobs) == ["wake up doing"]
