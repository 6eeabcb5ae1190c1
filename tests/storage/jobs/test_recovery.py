"""Jobs of dead workers are requeued once, even if such a worker turns out to be alive."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from procrastinate import App, PsycopgConnector
from procrastinate.jobs import DeleteJobCondition, Status
from procrastinate.jobs import Job as FetchedJob
from psycopg.pq import TransactionStatus
from sqlalchemy import text

from storage.database.database import Database
from storage.database.postgres import conninfo
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
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS
from tests.storage.jobs.recording_worker import JobRecorder, enqueue, job, list_jobs, running_worker


@asynccontextmanager
async def unpatched_app(url: str) -> AsyncIterator[App]:
    """Yield Procrastinate's own app without Handrail's patches."""
    app = App(connector=PsycopgConnector(conninfo=conninfo(url)))
    async with app.open_async():
        yield app


@pytest.fixture
async def manager(database: Database) -> AsyncIterator[ReliableJobManager]:
    connector = PsycopgConnector(conninfo=conninfo(database.url), timeout=WAIT_TIMEOUT_SECONDS)

    async def raise_error(error: Exception, attempt: int) -> bool:
        raise error

    await connector.open_async()
    yield ReliableJobManager(connector, raise_error)
    await connector.close_async()


async def fetch_job_of_new_worker(manager: ReliableJobManager) -> FetchedJob:
    """Fetch a job as a new worker."""
    found = await manager.fetch_job(["advance"], await manager.register_worker())
    assert found is not None
    return found


async def age_heartbeats(database: Database, seconds: float) -> None:
    """Set the last heartbeat of all workers back by this many seconds."""
    update = text("UPDATE procrastinate_workers SET last_heartbeat = now() - make_interval(secs => :seconds)")
    await database.transaction(lambda connection: connection.execute(update, {"seconds": seconds}))


async def requeue(manager: ReliableJobManager) -> int:
    assert isinstance(manager.connector, PsycopgConnector)
    return await requeue_stalled_jobs(manager.connector.pool, manager, HeartbeatObservations(min_observations=1))


async def test_procrastinate_alone_leaves_jobs_of_a_dead_worker(
    database: Database, manager: ReliableJobManager
) -> None:
    """`requeue_stalled_jobs` exists because of this. If this fails after an upgrade, it may be removed."""
    done: list[str] = []
    await enqueue(database, job("dead", lock="thread"), job("behind it", lock="thread"), job("other"))
    await fetch_job_of_new_worker(manager)
    await age_heartbeats(database, 3600)
    async with unpatched_app(database.url) as app:

        @app.task(name="advance", queue="advance")
        async def advance(name: str) -> None:
            done.append(name)

        await app.run_worker_async(wait=False, install_signal_handlers=False, delete_jobs=DeleteJobCondition.ALWAYS)
    assert done == ["other"]
    assert await database.transaction(list_jobs) == ["dead doing", "behind it todo"]


async def test_job_of_a_dead_worker_is_done_by_another(database: Database, manager: ReliableJobManager) -> None:
    recorder = JobRecorder()
    await enqueue(database, job("dead", lock="thread"), job("behind it", lock="thread"))
    await fetch_job_of_new_worker(manager)
    await age_heartbeats(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
    async with running_worker(database.url, recorder):
        await recorder.wait_until_done("dead", "behind it")
    assert recorder.done == ["dead", "behind it"]
    assert recorder.recovered == 1
    assert await database.transaction(list_jobs) == []


async def test_requeued_job_runs_before_urgent_ones_of_its_lock(
    database: Database, manager: ReliableJobManager
) -> None:
    """The urgent job does not know which messages the first one has sent."""
    recorder = JobRecorder()
    await enqueue(database, job("dead", lock="to:alice"))
    await fetch_job_of_new_worker(manager)
    await enqueue(database, job("urgent", lock="to:alice", priority=10))
    await age_heartbeats(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
    async with running_worker(database.url, recorder):
        await recorder.wait_until_done("dead", "urgent")
    assert recorder.done == ["dead", "urgent"]


async def test_late_worker_keeps_its_job(database: Database, manager: ReliableJobManager) -> None:
    await enqueue(database, job("slow"))
    await fetch_job_of_new_worker(manager)
    await age_heartbeats(database, HEARTBEAT_TIMEOUT_SECONDS - 2)
    assert await requeue(manager) == 0
    assert await database.transaction(list_jobs) == ["slow doing"]


async def test_resumed_worker_does_not_requeue_its_own_jobs(
    database: Database,
) -> None:
    recorder = JobRecorder(gates={"mine": asyncio.Event()})
    await enqueue(database, job("mine"))
    async with running_worker(database.url, recorder) as worker:
        await recorder.wait_until_started("mine")
        await age_heartbeats(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
        assert worker._pool is not None
        await worker._record_heartbeats(worker._pool)
        assert await requeue_of_worker(worker) == 0
        recorder.gates["mine"].set()
        await recorder.wait_until_done("mine")
    assert recorder.started == ["mine"]


async def requeue_of_worker(worker: JobWorker) -> int:
    assert worker._pool is not None
    return await requeue_stalled_jobs(worker._pool, worker._app.job_manager, HeartbeatObservations(min_observations=1))


async def test_stalled_job_is_deleted_if_an_equal_one_waits(database: Database, manager: ReliableJobManager) -> None:
    await enqueue(database, job("dead", lock="thread", queueing_lock="thread"))
    await fetch_job_of_new_worker(manager)
    await enqueue(database, job("equal", lock="thread", queueing_lock="thread"))
    await age_heartbeats(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
    assert await requeue(manager) == 1
    assert await database.transaction(list_jobs) == ["equal todo"]


async def test_concurrent_recoveries_requeue_a_job_once(database: Database, manager: ReliableJobManager) -> None:
    names = [f"job {number}" for number in range(20)]
    await enqueue(database, *map(job, names))
    for _ in names:
        await fetch_job_of_new_worker(manager)
    await age_heartbeats(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
    assert sum(await asyncio.gather(*(requeue(manager) for _ in range(5)))) == len(names)
    attempts = await database.transaction(
        lambda connection: connection.execute(text("SELECT DISTINCT attempts FROM procrastinate_jobs")).all()
    )
    assert attempts == [(1,)]


async def test_only_one_recovery_runs_at_a_time(database: Database, manager: ReliableJobManager) -> None:
    await enqueue(database, job("dead"))
    await fetch_job_of_new_worker(manager)
    await age_heartbeats(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
    started, may_continue = asyncio.Event(), asyncio.Event()

    class SlowManager(ReliableJobManager):
        async def get_stalled_jobs(self, *arguments, **options):
            started.set()
            await may_continue.wait()
            return await super().get_stalled_jobs(*arguments, **options)

    first = asyncio.create_task(requeue(SlowManager(manager.connector, manager._should_retry)))
    await started.wait()
    assert await requeue(manager) == 0
    may_continue.set()
    assert await first == 1


async def test_former_owner_cannot_finish_a_requeued_job(database: Database, manager: ReliableJobManager) -> None:
    await enqueue(database, job("contested", lock="thread"))
    former = await fetch_job_of_new_worker(manager)
    await age_heartbeats(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
    assert await requeue(manager) == 1
    current = await fetch_job_of_new_worker(manager)
    assert current.id == former.id
    await manager.finish_job(former, Status.SUCCEEDED, delete_job=True)
    await manager.retry_job(former)
    assert await database.transaction(list_jobs) == ["contested doing"]
    await manager.finish_job(current, Status.SUCCEEDED, delete_job=True)
    assert await database.transaction(list_jobs) == []


async def test_second_requeue_does_not_take_the_job_from_its_new_owner(
    database: Database, manager: ReliableJobManager
) -> None:
    await enqueue(database, job("dead"))
    await fetch_job_of_new_worker(manager)
    await age_heartbeats(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
    (listed,) = await manager.get_stalled_jobs(seconds_since_heartbeat=HEARTBEAT_TIMEOUT_SECONDS)
    assert await requeue(manager) == 1
    await fetch_job_of_new_worker(manager)
    await manager.retry_job(listed)
    assert await database.transaction(list_jobs) == ["dead doing"]


async def test_stopping_worker_is_not_dead_while_its_jobs_end(database: Database, manager: ReliableJobManager) -> None:
    """Procrastinate sends no heartbeat while it waits for the jobs to end."""
    recorder = JobRecorder(gates={"long": asyncio.Event()})
    async with running_worker(database.url, recorder) as worker:
        await enqueue(database, job("long"))
        await recorder.wait_until_started("long")
        stopping = asyncio.create_task(worker.stop())
        await asyncio.sleep(0)
        await age_heartbeats(database, HEARTBEAT_TIMEOUT_SECONDS + 1)
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while await count_dead_workers(database):
                pass
        assert await requeue(manager) == 0
        recorder.gates["long"].set()
        await stopping
    assert recorder.done == ["long"]


async def count_dead_workers(database: Database) -> int:
    """Return the number of workers whose heartbeat is too old."""
    query = text(
        "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat < now() - make_interval(secs => :stale)"
    )
    return await database.transaction(
        lambda connection: connection.execute(query, {"stale": HEARTBEAT_TIMEOUT_SECONDS}).scalar_one()
    )


async def test_hung_transaction_is_terminated(database: Database, manager: ReliableJobManager) -> None:
    """The client stopped while sending a batch: the server waits for the rest and reports it as active."""
    lock = "SELECT pg_advisory_xact_lock(1)"
    with psycopg.connect(conninfo(database.url), application_name="handrail") as hung:
        hung.execute(lock)
        hung.pgconn.enter_pipeline_mode()
        hung.pgconn.send_query_params(b"SELECT 1", None)
        hung.pgconn.send_flush_request()
        hung.pgconn.flush()
        assert isinstance(manager.connector, PsycopgConnector)
        async with manager.connector.pool.connection() as connection:
            await terminate_hung_transactions(connection, seconds=0.0)
        await database.transaction(lambda connection: connection.execute(text(lock)))
        assert hung.pgconn.transaction_status == TransactionStatus.ACTIVE  # the client has not noticed yet
        hung.close()


def test_worker_is_silent_after_enough_equal_observations() -> None:
    observations = HeartbeatObservations()
    for _ in range(STALLED_AFTER_OBSERVATIONS - 1):
        observations.observe({1: "old", 2: "old"})
        assert observations.silent_workers(STALLED_AFTER_OBSERVATIONS) == set()
    observations.observe({1: "old", 2: "new"})
    assert observations.silent_workers(STALLED_AFTER_OBSERVATIONS) == {1}
    observations.observe({2: "new"})
    assert observations.silent_workers(1) == {2}


async def test_clock_set_forward_makes_no_worker_dead(database: Database, manager: ReliableJobManager) -> None:
    """All heartbeats are old at once; a live worker records a new one before the next observation."""
    recorder = JobRecorder(gates={"mine": asyncio.Event()})
    assert isinstance(manager.connector, PsycopgConnector)
    await enqueue(database, job("mine"))
    async with running_worker(database.url, recorder) as worker:
        await recorder.wait_until_started("mine")
        observations = HeartbeatObservations()
        for _ in range(STALLED_AFTER_OBSERVATIONS + 1):
            await age_heartbeats(database, 3600)
            assert await requeue_stalled_jobs(manager.connector.pool, manager, observations) == 0
            assert worker._pool is not None
            await worker._record_heartbeats(worker._pool)
        recorder.gates["mine"].set()
        await recorder.wait_until_done("mine")
    assert recorder.started == ["mine"]


async def test_clock_set_back_does_not_hide_a_dead_worker(database: Database, manager: ReliableJobManager) -> None:
    """Its last heartbeat is in the future."""
    assert isinstance(manager.connector, PsycopgConnector)
    await enqueue(database, job("dead"))
    await fetch_job_of_new_worker(manager)
    await age_heartbeats(database, -3600)
    observations = HeartbeatObservations()
    requeued_counts = [
        await requeue_stalled_jobs(manager.connector.pool, manager, observations)
        for _ in range(2 * DEAD_AFTER_OBSERVATIONS)
    ]
    assert sum(requeued_counts) == 1
    assert await database.transaction(list_jobs) == ["dead todo"]
