"""Jobs whose worker is gone go back to the others. Procrastinate notices dead workers and does nothing about them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

HEARTBEAT_INTERVAL_SECONDS = 2.0
"""Seconds between two looks, and between two heartbeats."""
HEARTBEAT_TIMEOUT_SECONDS = 8.0
"""Seconds without a heartbeat after which a worker counts as dead: four beats, since a busy loop is no death.

With both, and a second until the job is fetched, another worker has it within 13.
"""
_WORKER_RETENTION_SECONDS = 60.0
STALLED_AFTER_OBSERVATIONS = 3
"""Looks in a row that have to find the same heartbeat of a worker before it counts as dead: there is time for a beat in
between. When the database's clock is set forward, or its machine was suspended, all heartbeats are old at once."""
DEAD_AFTER_OBSERVATIONS = 6
"""After so many such looks a worker is dead whatever the database's clock says: it may have been set back."""

_UPDATE_HEARTBEATS = "SELECT procrastinate_update_heartbeat_v1(id) FROM unnest(%s::bigint[]) AS id"
_TERMINATE_TRANSACTIONS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND application_name LIKE 'handrail%%'
    AND pid <> pg_backend_pid() AND xact_start < now() - make_interval(secs => %s)
"""
_DELETE_WORKERS = (
    "DELETE FROM procrastinate_workers WHERE id = ANY(%s) AND last_heartbeat < now() - make_interval(secs => %s)"
)
"""Procrastinate's own query goes by the clock alone, and a job whose worker has no row counts as nobody's."""
_TRY_ADVISORY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('handrail: stalled jobs'))"


_SELECT_HEARTBEATS = "SELECT id, last_heartbeat FROM procrastinate_workers"
_BACKDATE_HEARTBEATS = """
UPDATE procrastinate_workers SET last_heartbeat = now() - make_interval(secs => %s)
WHERE id = ANY(%s) AND last_heartbeat > now() - make_interval(secs => %s)
"""


@dataclass
class HeartbeatObservations:
    """How often in a row each worker was seen with the same heartbeat. Looks are counted, since clocks may jump."""

    min_observations: int = STALLED_AFTER_OBSERVATIONS
    _counts: dict[int, tuple[object, int]] = field(default_factory=dict)

    def observe(self, heartbeats: Mapping[int, object]) -> None:
        """Take note of the heartbeats there are now."""
        self._counts = {worker: (at, self._count(worker, at) + 1) for worker, at in heartbeats.items()}

    def silent_workers(self, observations: int) -> set[int]:
        """The workers that were seen with the same heartbeat so often at least."""
        return {worker for worker, (_, times) in self._counts.items() if times >= observations}

    def _count(self, worker: int, at: object) -> int:
        before, times = self._counts.get(worker, (None, 0))
        return times if before == at else 0


async def record_worker_heartbeats(pool: AsyncConnectionPool, workers: list[int]) -> None:
    """Say that these are alive."""
    async with pool.connection() as connection:
        await connection.execute(_UPDATE_HEARTBEATS, (workers,))


async def requeue_stalled_jobs(
    pool: AsyncConnectionPool, manager: JobManager, observations: HeartbeatObservations
) -> int:
    """Let others have the jobs of workers that died, as far as sightings confirm it; how many those were.

    One process at a time: a second one, with the same list, would take a job away from whoever has just got it.
    """
    async with pool.connection() as connection:
        await terminate_hung_transactions(connection, HEARTBEAT_TIMEOUT_SECONDS)
        await _observe_heartbeats(connection, observations)
        async with connection.transaction():
            if not await _try_advisory_lock(connection):
                return 0
            taken = await _requeue_jobs(manager, observations.silent_workers(observations.min_observations))
            await connection.execute(
                _DELETE_WORKERS, (list(observations.silent_workers(DEAD_AFTER_OBSERVATIONS)), _WORKER_RETENTION_SECONDS)
            )
            return taken


async def terminate_hung_transactions(connection: AsyncConnection, seconds: float) -> None:
    """End the transactions of ours that have lasted so long: whoever stands still in one keeps its thread locked.

    PostgreSQL's own time-outs see to those that are idle. Somebody who stopped while sending a batch counts as active.
    """
    await connection.execute(_TERMINATE_TRANSACTIONS, (seconds,))


async def _observe_heartbeats(connection: AsyncConnection, observations: HeartbeatObservations) -> None:
    observations.observe(dict(await (await connection.execute(_SELECT_HEARTBEATS)).fetchall()))
    if silent := observations.silent_workers(DEAD_AFTER_OBSERVATIONS):
        await connection.execute(
            _BACKDATE_HEARTBEATS, (2 * HEARTBEAT_TIMEOUT_SECONDS, list(silent), HEARTBEAT_TIMEOUT_SECONDS)
        )


async def _requeue_jobs(manager: JobManager, silent_workers: Collection[int]) -> int:
    found = await manager.get_stalled_jobs(seconds_since_heartbeat=HEARTBEAT_TIMEOUT_SECONDS)
    stalled = [job for job in found if job.worker_id is None or job.worker_id in silent_workers]
    for job in stalled:
        await _requeue_job(manager, job)
    return len(stalled)


async def _try_advisory_lock(connection: AsyncConnection) -> bool:
    row = await (await connection.execute(_TRY_ADVISORY_LOCK)).fetchone()
    return bool(row and row[0])


async def _requeue_job(manager: JobManager, job: Job) -> None:
    """Have it done again, unless the same is waiting already."""
    try:
        await manager.retry_job(job)
    except UniqueViolation:
        await manager.finish_job(job, Status.FAILED, delete_job=True)
