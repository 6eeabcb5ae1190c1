"""One wake-up for many events: whoever takes it sees them all, also those that are being written meanwhile."""

import asyncio

from procrastinate import PsycopgConnector
from procrastinate.manager import JobManager
from sqlalchemy import Connection, text

from agents.state import ThreadState
from storage.database import Database
from storage.jobs import defer
from storage.postgres import conninfo
from storage.threads import Threads
from storage.writes import Writes
from tests.postgres import administrator
from tests.storage.jobs.counter import WAIT, deferred, job, until_waiting, waiting
from tests.storage.jobs.test_deferring import BOTH_WAYS
from tests.storage.test_threads import append, opening, pause


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
    wake_up = job("wake up", lock="thr_1", once="advance:thr_1")
    here, elsewhere = Threads(shared=True), Threads(shared=True)

    def write(connection: Connection, writes: Writes) -> None:
        before = here.load(connection, "thr_1")
        append(here, writes, before, pause(before))
        defer(writes, [wake_up])
        writes.add(WAIT, [{}])

    def look(connection: Connection, *, settled: bool) -> int:
        read = elsewhere.settled if settled else elsewhere.load
        return read(connection, "thr_1").version

    await database.write(lambda _, w: append(here, w, ThreadState(), *opening()))
    await deferred(database, wake_up)
    engine = administrator(database.url)
    with engine.connect() as other:
        other.execute(text("SELECT pg_advisory_lock(1)"))
        writing = asyncio.create_task(database.write(write, locking=locking))
        await until_waiting(other, 1)
        await take_the_job(database.url)
        assert await database.run(lambda connection: look(connection, settled=False)) == 2
        looking = asyncio.create_task(database.read(lambda connection: look(connection, settled=True)))
        await until_waiting(other, 2)
        other.execute(text("SELECT pg_advisory_unlock(1)"))
    engine.dispose()
    await writing
    assert await looking == 3
    assert await database.run(waiting) == ["wake up doing"]
