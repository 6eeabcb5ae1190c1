"""Jobs of workers that died go to others: once, and whatever the dead still do when they turn out to be alive."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from procrastinate import App, PsycopgConnector
from procrastinate.jobs import DeleteJobCondition, Status
from procrastinate.jobs import Job as Taken
from psycopg.pq import TransactionStatus
from sqlalchemy import text

from storage.database import Database
from storage.jobs.attending import AttendingManager
from storage.jobs.serving import JobServer
from storage.jobs.stalled import CONFIRMED, LONG_SILENT, STALE, Sightings, cut_off, take_over
from storage.postgres import conninfo
from tests.storage.jobs.counter import PATIENCE, Counter, deferred, job, serving, waiting


@asynccontextmanager
async def stock(url: str) -> AsyncIterator[App]:
    """Procrastinate as it comes, with our queue."""
    app = App(connector=PsycopgConnector(conninfo=conninfo(url)))
    async with app.open_async():
        yield app


@pytest.fixture
async def manager(database: Database) -> AsyncIterator[AttendingManager]:
    connector = PsycopgConnector(conninfo=conninfo(database.url), timeout=PATIENCE)

    async def no_patience(error: Exception, attempt: int) -> bool:
        raise error

    await connector.open_async()
    yield AttendingManager(connector, no_patience)
    await connector.close_async()


async def taken(manager: AttendingManager) -> Taken:
    """A job in the hands of a new worker."""
    found = await manager.fetch_job(["advance"], await manager.register_worker())
    assert found is not None
    return found


async def silent_for(database: Database, seconds: float) -> None:
    """No worker has said a word since then."""
    past = text("UPDATE procrastinate_workers SET last_heartbeat = now() - make_interval(secs => :seconds)")
    await database.run(lambda connection: connection.execute(past, {"seconds": seconds}))


async def released(manager: AttendingManager) -> int:
    assert isinstance(manager.connector, PsycopgConnector)
    return await take_over(manager.connector.pool, manager, Sightings(needed=1))


async def test_procrastinate_alone_leaves_a_dead_workers_job_lying_and_its_lock_taken(
    database: Database, manager: AttendingManager
) -> None:
    """Why there is a reaper of ours. Should this fail after an upgrade, it may have become superfluous."""
    done: list[str] = []
    await deferred(database, job("dead", lock="thread"), job("behind it", lock="thread"), job("other"))
    await taken(manager)
    await silent_for(database, 3600)
    async with stock(database.url) as app:

        @app.task(name="advance", queue="advance")
        async def advance(name: str) -> None:
            done.append(name)

        await app.run_worker_async(wait=False, install_signal_handlers=False, delete_jobs=DeleteJobCondition.ALWAYS)
    assert done == ["other"]
    assert await database.run(waiting) == ["dead doing", "behind it todo"]


async def test_a_dead_workers_job_is_done_by_another_and_then_those_behind_it(
    database: Database, manager: AttendingManager
) -> None:
    counter = Counter()
    await deferred(database, job("dead", lock="thread"), job("behind it", lock="thread"))
    await taken(manager)
    await silent_for(database, STALE + 1)
    async with serving(database.url, counter):
        await counter.until_done("dead", "behind it")
    assert counter.done == ["dead", "behind it"]
    assert counter.taken_over == 1
    assert await database.run(waiting) == []


async def test_a_dead_workers_job_is_done_before_more_urgent_ones_of_its_lock(
    database: Database, manager: AttendingManager
) -> None:
    """Whoever does the urgent one first would not know what had been done of the other."""
    counter = Counter()
    await deferred(database, job("dead", lock="to:alice"))
    await taken(manager)
    await deferred(database, job("urgent", lock="to:alice", priority=10))
    await silent_for(database, STALE + 1)
    async with serving(database.url, counter):
        await counter.until_done("dead", "urgent")
    assert counter.done == ["dead", "urgent"]


async def test_a_worker_that_is_merely_late_keeps_its_job(database: Database, manager: AttendingManager) -> None:
    await deferred(database, job("slow"))
    await taken(manager)
    await silent_for(database, STALE - 2)
    assert await released(manager) == 0
    assert await database.run(waiting) == ["slow doing"]


async def test_whoever_stood_still_itself_does_not_count_its_own_jobs_among_those_of_the_dead(
    database: Database,
) -> None:
    counter = Counter(gates={"mine": asyncio.Event()})
    await deferred(database, job("mine"))
    async with serving(database.url, counter) as server:
        await counter.until_begun("mine")
        await silent_for(database, STALE + 1)
        assert server._pool is not None
        await server._beat(server._pool)
        assert await server_took_over(server) == 0
        counter.gates["mine"].set()
        await counter.until_done("mine")
    assert counter.begun == ["mine"]


async def server_took_over(server: JobServer) -> int:
    assert server._pool is not None
    return await take_over(server._pool, server._app.job_manager, Sightings(needed=1))


async def test_a_job_whose_like_waits_already_is_dropped(database: Database, manager: AttendingManager) -> None:
    await deferred(database, job("dead", lock="thread", once="thread"))
    await taken(manager)
    await deferred(database, job("its like", lock="thread", once="thread"))
    await silent_for(database, STALE + 1)
    assert await released(manager) == 1
    assert await database.run(waiting) == ["its like todo"]


async def test_two_that_look_at_once_release_a_job_once(database: Database, manager: AttendingManager) -> None:
    names = [f"job {number}" for number in range(20)]
    await deferred(database, *map(job, names))
    for _ in names:
        await taken(manager)
    await silent_for(database, STALE + 1)
    assert sum(await asyncio.gather(*(released(manager) for _ in range(5)))) == len(names)
    tried = await database.run(lambda c: c.execute(text("SELECT DISTINCT attempts FROM procrastinate_jobs")).all())
    assert tried == [(1,)]


async def test_while_one_looks_nobody_else_does(database: Database, manager: AttendingManager) -> None:
    await deferred(database, job("dead"))
    await taken(manager)
    await silent_for(database, STALE + 1)
    looking, looked = asyncio.Event(), asyncio.Event()

    class Slow(AttendingManager):
        async def get_stalled_jobs(self, *arguments, **more):
            looking.set()
            await looked.wait()
            return await super().get_stalled_jobs(*arguments, **more)

    first = asyncio.create_task(released(Slow(manager.connector, manager._patience)))
    await looking.wait()
    assert await released(manager) == 0
    looked.set()
    assert await first == 1


async def test_whoever_was_given_up_for_dead_can_no_longer_end_its_job(
    database: Database, manager: AttendingManager
) -> None:
    await deferred(database, job("contested", lock="thread"))
    zombies = await taken(manager)
    await silent_for(database, STALE + 1)
    assert await released(manager) == 1
    heirs = await taken(manager)
    assert heirs.id == zombies.id
    await manager.finish_job(zombies, Status.SUCCEEDED, delete_job=True)
    await manager.retry_job(zombies)
    assert await database.run(waiting) == ["contested doing"]
    await manager.finish_job(heirs, Status.SUCCEEDED, delete_job=True)
    assert await database.run(waiting) == []


async def test_a_second_release_of_the_same_job_takes_it_from_nobody(
    database: Database, manager: AttendingManager
) -> None:
    await deferred(database, job("dead"))
    await taken(manager)
    await silent_for(database, STALE + 1)
    (listed,) = await manager.get_stalled_jobs(seconds_since_heartbeat=STALE)
    assert await released(manager) == 1
    await taken(manager)
    await manager.retry_job(listed)
    assert await database.run(waiting) == ["dead doing"]


async def test_a_worker_that_ends_its_last_jobs_is_not_given_up_for_dead(
    database: Database, manager: AttendingManager
) -> None:
    """Procrastinate says no word of life while it waits for them."""
    counter = Counter(gates={"long": asyncio.Event()})
    async with serving(database.url, counter) as server:
        await deferred(database, job("long"))
        await counter.until_begun("long")
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        await silent_for(database, STALE + 1)
        async with asyncio.timeout(PATIENCE):
            while await silent(database):
                pass
        assert await released(manager) == 0
        counter.gates["long"].set()
        await stopping
    assert counter.done == ["long"]


async def silent(database: Database) -> int:
    """How many workers count as dead."""
    query = text(
        "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat < now() - make_interval(secs => :stale)"
    )
    return await database.run(lambda connection: connection.execute(query, {"stale": STALE}).scalar_one())


async def test_a_transaction_in_which_somebody_stands_still_is_cut_off_and_keeps_nobody_waiting(
    database: Database, manager: AttendingManager
) -> None:
    """Stopped while it sent a batch: the server waits for the rest, and calls that active."""
    lock = "SELECT pg_advisory_xact_lock(1)"
    with psycopg.connect(conninfo(database.url), application_name="handrail") as still:
        still.execute(lock)
        still.pgconn.enter_pipeline_mode()
        still.pgconn.send_query_params(b"SELECT 1", None)
        still.pgconn.send_flush_request()
        still.pgconn.flush()
        assert isinstance(manager.connector, PsycopgConnector)
        async with manager.connector.pool.connection() as connection:
            await cut_off(connection, 0.0)
        await database.run(lambda connection: connection.execute(text(lock)))
        assert still.pgconn.transaction_status == TransactionStatus.ACTIVE  # it has not noticed yet
        still.close()


def test_a_worker_is_silent_once_it_was_seen_with_the_same_heartbeat_so_often() -> None:
    sightings = Sightings()
    for _ in range(CONFIRMED - 1):
        sightings.look({1: "old", 2: "old"})
        assert sightings.silent(CONFIRMED) == set()
    sightings.look({1: "old", 2: "new"})
    assert sightings.silent(CONFIRMED) == {1}
    sightings.look({2: "new"})
    assert sightings.silent(1) == {2}


async def test_a_clock_set_forward_makes_nobody_dead(database: Database, manager: AttendingManager) -> None:
    """All heartbeats are old at once then; whoever lives gives another one before it is missed."""
    counter = Counter(gates={"mine": asyncio.Event()})
    assert isinstance(manager.connector, PsycopgConnector)
    await deferred(database, job("mine"))
    async with serving(database.url, counter) as server:
        await counter.until_begun("mine")
        sightings = Sightings()
        for _ in range(CONFIRMED + 1):
            await silent_for(database, 3600)
            assert await take_over(manager.connector.pool, manager, sightings) == 0
            assert server._pool is not None
            await server._beat(server._pool)
        counter.gates["mine"].set()
        await counter.until_done("mine")
    assert counter.begun == ["mine"]


async def test_a_clock_set_back_lets_no_dead_worker_keep_its_job(database: Database, manager: AttendingManager) -> None:
    """Its last heartbeat is in the future then."""
    assert isinstance(manager.connector, PsycopgConnector)
    await deferred(database, job("dead"))
    await taken(manager)
    await silent_for(database, -3600)
    sightings = Sightings()
    released_after = [await take_over(manager.connector.pool, manager, sightings) for _ in range(2 * LONG_SILENT)]
    assert sum(released_after) == 1
    assert await database.run(waiting) == ["dead todo"]
