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
from storage.jobs.procrastinate_patches import ReliableJobManager
from storage.jobs.recovery import (
    DEAD_AFTER_OBSERVATIONS,
    HEARTBEAT_TIMEOUT_SECONDS,
    STALLED_AFTER_OBSERVATIONS,
    HeartbeatObservations,
    requeue_stalled_jobs,
    terminate_hung_transactions,
)
from storage.jobs.worker import JobWorker
from storage.postgres import conninfo
from tests.storage.jobs.recording_worker import (
    WAIT_TIMEOUT_SECONDS,
    JobRecorder,
    enqueue,
    job,
    list_jobs,
    running_worker,
)


@asynccontextmanager
async def stock(url: str) -> AsyncIterator[App]:
    """Procrastinate as it comes, with our queue."""
    app = App(connector=PsycopgConnector(conninfo=conninfo(url)))
    async with app.open_async():
        yield app


@pytest.fixture
async def manager(database: Database) -> AsyncIterator[ReliableJobManager]:
    connector = PsycopgConnector(conninfo=conninfo(database.url), timeout=WAIT_TIMEOUT_SECONDS)

    async def no_patience(error: Exception, attempt: int) -> bool:
        raise error

    await connector.open_async()
    yield ReliableJobManager(connector, no_patience)
    await connector.close_async()


async def taken(manager: ReliableJobManager) -> Taken:
    """A job in the hands of a new worker."""
    found = await manager.fetch_job(["advance"], await manager.register_worker())
    assert found is not None
    return found


async def silent_for(database: Database, seconds: float) -> None:
    """No worker has said a word since then."""
    past = text("UPDATE procrastinate_workers SET last_heartbeat = now() - make_interval(secs => :seconds)")
    await database.transaction(lambda connection: connection.execute(past, {"seconds": seconds}))


async def released(manager: ReliableJobManager) -> int:
    assert isinstance(manager.connector, PsycopgConnector)
    return await requeue_stalled_jobs(manager.connector.pool, manager, HeartbeatObservations(min_observations=1))


async def test_procrastinate_alone_leaves_a_dead_workers_job_lying_and_its_lock_taken(
    database: Database, manager: ReliableJobManager
) -> None:
    """Why there is a reaper of ours. Should this fail after an upgrade, it may have become superfluous."""
    done: list[str] = []
    await enqueue(database, job("dead", lock="thread"), job("behind it", lock="thread"), job("other"))
    await taken(manager)
    await silent_for(database, 3600)
    async with stock(database.url) as app:

        @app.task(name="advance", queue="advance")
        async def advance(name: str) -> None:
            done.append(name)

        await app.run_worker_async(wait=False, install_signal_handlers=False, delete_jobs=DeleteJobCondition.ALWAYS)
    assert done == ["other"]
    assert await database.transaction(list_jobs) == ["dead doing", "behind it todo"]


async def test_a_dead_workers_job_is_done_by_another_and_then_those_behind_it(
    database: Database, manager: ReliableJobManager
) -> None:
    counter = JobRecorder()
    await enqueue(database, job("dead", lock="thread"), job("behind it", lock="thread"))
    await taken(manager)
    await silent_for(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
    async with running_worker(database.url, counter):
        await counter.wait_until_done("dead", "behind it")
    assert counter.done == ["dead", "behind it"]
    assert counter.recovered == 1
    assert await database.transaction(list_jobs) == []


async def test_a_dead_workers_job_is_done_before_more_urgent_ones_of_its_lock(
    database: Database, manager: ReliableJobManager
) -> None:
    """Whoever does the urgent one first would not know what had been done of the other."""
    counter = JobRecorder()
    await enqueue(database, job("dead", lock="to:alice"))
    await taken(manager)
    await enqueue(database, job("urgent", lock="to:alice", priority=10))
    await silent_for(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
    async with running_worker(database.url, counter):
        await counter.wait_until_done("dead", "urgent")
    assert counter.done == ["dead", "urgent"]


async def test_a_worker_that_is_merely_late_keeps_its_job(database: Database, manager: ReliableJobManager) -> None:
    await enqueue(database, job("slow"))
    await taken(manager)
    await silent_for(database, HEARTBEAT_TIMEOUT_SECONDS - 2)
    assert await released(manager) == 0
    assert await database.transaction(list_jobs) == ["slow doing"]


async def test_whoever_stood_still_itself_does_not_count_its_own_jobs_among_those_of_the_dead(
    database: Database,
) -> None:
    counter = JobRecorder(gates={"mine": asyncio.Event()})
    await enqueue(database, job("mine"))
    async with running_worker(database.url, counter) as server:
        await counter.wait_until_started("mine")
        await silent_for(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
        assert server._pool is not None
        await server._record_heartbeats(server._pool)
        assert await server_took_over(server) == 0
        counter.gates["mine"].set()
        await counter.wait_until_done("mine")
    assert counter.started == ["mine"]


async def server_took_over(server: JobWorker) -> int:
    assert server._pool is not None
    return await requeue_stalled_jobs(server._pool, server._app.job_manager, HeartbeatObservations(min_observations=1))


async def test_a_job_whose_like_waits_already_is_dropped(database: Database, manager: ReliableJobManager) -> None:
    await enqueue(database, job("dead", lock="thread", queueing_lock="thread"))
    await taken(manager)
    await enqueue(database, job("its like", lock="thread", queueing_lock="thread"))
    await silent_for(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
    assert await released(manager) == 1
    assert await database.transaction(list_jobs) == ["its like todo"]


async def test_two_that_look_at_once_release_a_job_once(database: Database, manager: ReliableJobManager) -> None:
    names = [f"job {number}" for number in range(20)]
    await enqueue(database, *map(job, names))
    for _ in names:
        await taken(manager)
    await silent_for(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
    assert sum(await asyncio.gather(*(released(manager) for _ in range(5)))) == len(names)
    tried = await database.transaction(
        lambda c: c.execute(text("SELECT DISTINCT attempts FROM procrastinate_jobs")).all()
    )
    assert tried == [(1,)]


async def test_while_one_looks_nobody_else_does(database: Database, manager: ReliableJobManager) -> None:
    await enqueue(database, job("dead"))
    await taken(manager)
    await silent_for(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
    looking, looked = asyncio.Event(), asyncio.Event()

    class Slow(ReliableJobManager):
        async def get_stalled_jobs(self, *arguments, **more):
            looking.set()
            await looked.wait()
            return await super().get_stalled_jobs(*arguments, **more)

    first = asyncio.create_task(released(Slow(manager.connector, manager._should_retry)))
    await looking.wait()
    assert await released(manager) == 0
    looked.set()
    assert await first == 1


async def test_whoever_was_given_up_for_dead_can_no_longer_end_its_job(
    database: Database, manager: ReliableJobManager
) -> None:
    await enqueue(database, job("contested", lock="thread"))
    zombies = await taken(manager)
    await silent_for(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
    assert await released(manager) == 1
    heirs = await taken(manager)
    assert heirs.id == zombies.id
    await manager.finish_job(zombies, Status.SUCCEEDED, delete_job=True)
    await manager.retry_job(zombies)
    assert await database.transaction(list_jobs) == ["contested doing"]
    await manager.finish_job(heirs, Status.SUCCEEDED, delete_job=True)
    assert await database.transaction(list_jobs) == []


async def test_a_second_release_of_the_same_job_takes_it_from_nobody(
    database: Database, manager: ReliableJobManager
) -> None:
    await enqueue(database, job("dead"))
    await taken(manager)
    await silent_for(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
    (listed,) = await manager.get_stalled_jobs(seconds_since_heartbeat=HEARTBEAT_TIMEOUT_SECONDS)
    assert await released(manager) == 1
    await taken(manager)
    await manager.retry_job(listed)
    assert await database.transaction(list_jobs) == ["dead doing"]


async def test_a_worker_that_ends_its_last_jobs_is_not_given_up_for_dead(
    database: Database, manager: ReliableJobManager
) -> None:
    """Procrastinate says no word of life while it waits for them."""
    counter = JobRecorder(gates={"long": asyncio.Event()})
    async with running_worker(database.url, counter) as server:
        await enqueue(database, job("long"))
        await counter.wait_until_started("long")
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        await silent_for(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
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
    return await database.transaction(
        lambda connection: connection.execute(query, {"stale": HEARTBEAT_TIMEOUT_SECONDS}).scalar_one()
    )


async def test_a_transaction_in_which_somebody_stands_still_is_cut_off_and_keeps_nobody_waiting(
    database: Database, manager: ReliableJobManager
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
            await terminate_hung_transactions(connection, 0.0)
        await database.transaction(lambda connection: connection.execute(text(lock)))
        assert still.pgconn.transaction_status == TransactionStatus.ACTIVE  # it has not noticed yet
        still.close()


def test_a_worker_is_silent_once_it_was_seen_with_the_same_heartbeat_so_often() -> None:
    sightings = HeartbeatObservations()
    for _ in range(STALLED_AFTER_OBSERVATIONS - 1):
        sightings.observe({1: "old", 2: "old"})
        assert sightings.silent_workers(STALLED_AFTER_OBSERVATIONS) == set()
    sightings.observe({1: "old", 2: "new"})
    assert sightings.silent_workers(STALLED_AFTER_OBSERVATIONS) == {1}
    sightings.observe({2: "new"})
    assert sightings.silent_workers(1) == {2}


async def test_a_clock_set_forward_makes_nobody_dead(database: Database, manager: ReliableJobManager) -> None:
    """All heartbeats are old at once then; whoever lives gives another one before it is missed."""
    counter = JobRecorder(gates={"mine": asyncio.Event()})
    assert isinstance(manager.connector, PsycopgConnector)
    await enqueue(database, job("mine"))
    async with running_worker(database.url, counter) as server:
        await counter.wait_until_started("mine")
        sightings = HeartbeatObservations()
        for _ in range(STALLED_AFTER_OBSERVATIONS + 1):
            await silent_for(database, 3600)
            assert await requeue_stalled_jobs(manager.connector.pool, manager, sightings) == 0
            assert server._pool is not None
            await server._record_heartbeats(server._pool)
        counter.gates["mine"].set()
        await counter.wait_until_done("mine")
    assert counter.started == ["mine"]


async def test_a_clock_set_back_lets_no_dead_worker_keep_its_job(
    database: Database, manager: ReliableJobManager
) -> None:
    """Its last heartbeat is in the future then."""
    assert isinstance(manager.connector, PsycopgConnector)
    await enqueue(database, job("dead"))
    await taken(manager)
    await silent_for(database, -3600)
    sightings = HeartbeatObservations()
    released_after = [
        await requeue_stalled_jobs(manager.connector.pool, manager, sightings)
        for _ in range(2 * DEAD_AFTER_OBSERVATIONS)
    ]
    assert sum(released_after) == 1
    assert await database.transaction(list_jobs) == ["dead todo"]
