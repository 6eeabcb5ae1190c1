"""Requeue jobs of dead workers. Procrastinate detects dead workers and leaves their jobs to the application."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

HEARTBEAT_INTERVAL_SECONDS = 2.0
"""Seconds between two observations, and between two heartbeats."""
HEARTBEAT_TIMEOUT_SECONDS = 8.0
"""Seconds without a heartbeat after which a worker counts as dead: four heartbeats, since a busy loop delays them.

With the interval, and a second until the job is fetched, another worker has it within 13 seconds.
"""
_WORKER_RETENTION_SECONDS = 60.0
"""Seconds without a heartbeat after which the row of a dead worker is deleted."""
STALLED_AFTER_OBSERVATIONS = 3
"""Observations in a row of the same heartbeat after which a worker counts as stalled.

If the database's clock is set forward or its machine was suspended, all heartbeats are old at once, so the clock alone
is not enough.
"""
DEAD_AFTER_OBSERVATIONS = 6
"""Observations in a row after which a worker is dead in any case: the database's clock may have been set back."""

_UPDATE_HEARTBEATS = "SELECT procrastinate_update_heartbeat_v1(id) FROM unnest(%s::bigint[]) AS id"
_TERMINATE_TRANSACTIONS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND application_name LIKE 'handrail%%'
    AND pid <> pg_backend_pid() AND xact_start < now() - make_interval(secs => %s)
"""
_DELETE_WORKERS = (
    "DELETE FROM procrastinate_workers WHERE id = ANY(%s) AND last_heartbeat < now() - make_interval(secs => %s)"
)
"""Replaces Procrastinate's query, which relies on the clock alone and leaves jobs without a worker."""
_TRY_ADVISORY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('handrail: stalled jobs'))"


_SELECT_HEARTBEATS = "SELECT id, last_heartbeat FROM procrastinate_workers"
_BACKDATE_HEARTBEATS = """
UPDATE procrastinate_workers SET last_heartbeat = now() - make_interval(secs => %s)
WHERE id = ANY(%s) AND last_heartbeat > now() - make_interval(secs => %s)
"""


@dataclass
class HeartbeatObservations:
    """Counts how often in a row each worker was observed with the same heartbeat. Clocks may jump, counts do not."""

    min_observations: int = STALLED_AFTER_OBSERVATIONS
    _counts: dict[int, tuple[object, int]] = field(default_factory=dict)

    def observe(self, heartbeats: Mapping[int, object]) -> None:
        """Record the current heartbeats."""
        self._counts = {worker: (at, self._count(worker, at) + 1) for worker, at in heartbeats.items()}

    def silent_workers(self, observations: int) -> set[int]:
        """Return the workers observed with the same heartbeat at least that often."""
        return {worker for worker, (_, times) in self._counts.items() if times >= observations}

    def _count(self, worker: int, at: object) -> int:
        previous, times = self._counts.get(worker, (None, 0))
        return times if previous == at else 0


async def record_worker_heartbeats(pool: AsyncConnectionPool, workers: list[int]) -> None:
    """Record heartbeats of these workers."""
    async with pool.connection() as connection:
        await connection.execute(_UPDATE_HEARTBEATS, (workers,))


async def requeue_stalled_jobs(
    pool: AsyncConnectionPool, manager: JobManager, observations: HeartbeatObservations
) -> int:
    """Requeue the jobs of dead workers, as far as observations confirm it. Returns their number.

    Only one process does so at a time: a second one with the same list would take a job away from its new owner.
    """
    async with pool.connection() as connection:
        await terminate_hung_transactions(connection, HEARTBEAT_TIMEOUT_SECONDS)
        await _observe_heartbeats(connection, observations)
        async with connection.transaction():
            if not await _try_advisory_lock(connection):
                return 0
            requeued = await _requeue_jobs(manager, observations.silent_workers(observations.min_observations))
            await connection.execute(
                _DELETE_WORKERS, (list(observations.silent_workers(DEAD_AFTER_OBSERVATIONS)), _WORKER_RETENTION_SECONDS)
            )
            return requeued


async def terminate_hung_transactions(connection: AsyncConnection, seconds: float) -> None:
    """End Handrail's transactions that have lasted this long, since they keep a thread locked.

    PostgreSQL's timeouts end idle ones. A client that was suspended while sending a batch counts as active.
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
    """Retry the job, or delete it if an equal job is waiting."""
    try:
        await manager.retry_job(job)
    except UniqueViolation:
        await manager.finish_job(job, Status.FAILED, delete_job=True)
