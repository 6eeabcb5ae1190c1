"""Jobs whose worker is gone go back to the others. Procrastinate notices dead workers and does nothing about them."""

from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

INTERVAL = 2.0
"""Seconds between two looks, and between two heartbeats."""
STALE = 8.0
"""Seconds without a heartbeat after which a worker counts as dead: four beats, since a busy loop is no death.

With both, and a second until the job is fetched, another worker has it within 13.
"""
_LONG_GONE = 60.0

_BEAT = "SELECT procrastinate_update_heartbeat_v1(id) FROM unnest(%s::bigint[]) AS id"
_CUT_OFF = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND application_name LIKE 'handrail%%'
    AND pid <> pg_backend_pid() AND xact_start < now() - make_interval(secs => %s)
"""
_ONE_AT_A_TIME = "SELECT pg_try_advisory_xact_lock(hashtext('handrail: stalled jobs'))"


async def beat(pool: AsyncConnectionPool, workers: list[int]) -> None:
    """Say that these are alive."""
    async with pool.connection() as connection:
        await connection.execute(_BEAT, (workers,))


async def take_over(pool: AsyncConnectionPool, manager: JobManager) -> int:
    """Let others have the jobs of workers that died; how many those were.

    One process at a time: a second one, with the same list, would take a job away from whoever has just got it.
    """
    async with pool.connection() as connection:
        await cut_off(connection, STALE)
        async with connection.transaction():
            return await _released(manager) if await _alone(connection) else 0


async def cut_off(connection: AsyncConnection, seconds: float) -> None:
    """End the transactions of ours that have lasted so long: whoever stands still in one keeps its thread locked.

    PostgreSQL's own time-outs see to those that are idle. Somebody who stopped while sending a batch counts as active.
    """
    await connection.execute(_CUT_OFF, (seconds,))


async def _released(manager: JobManager) -> int:
    stalled = list(await manager.get_stalled_jobs(seconds_since_heartbeat=STALE))
    for job in stalled:
        await _release(manager, job)
    await manager.prune_stalled_workers(_LONG_GONE)
    return len(stalled)


async def _alone(connection: AsyncConnection) -> bool:
    row = await (await connection.execute(_ONE_AT_A_TIME)).fetchone()
    return bool(row and row[0])


async def _release(manager: JobManager, job: Job) -> None:
    """Have it done again, unless the same is waiting already."""
    try:
        await manager.retry_job(job)
    except UniqueViolation:
        await manager.finish_job(job, Status.FAILED, delete_job=True)
