"""Jobs whose worker is gone go back to the others. Procrastinate notices dead workers and does nothing about them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

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
CONFIRMED = 3
"""Looks in a row that have to find the same heartbeat of a worker before it counts as dead: there is time for a beat in
between. When the database's clock is set forward, or its machine was suspended, all heartbeats are old at once."""
LONG_SILENT = 6
"""After so many such looks a worker is dead whatever the database's clock says: it may have been set back."""

_BEAT = "SELECT procrastinate_update_heartbeat_v1(id) FROM unnest(%s::bigint[]) AS id"
_CUT_OFF = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND application_name LIKE 'handrail%%'
    AND pid <> pg_backend_pid() AND xact_start < now() - make_interval(secs => %s)
"""
_FORGET = "DELETE FROM procrastinate_workers WHERE id = ANY(%s) AND last_heartbeat < now() - make_interval(secs => %s)"
"""Procrastinate's own query goes by the clock alone, and a job whose worker has no row counts as nobody's."""
_ONE_AT_A_TIME = "SELECT pg_try_advisory_xact_lock(hashtext('handrail: stalled jobs'))"


_HEARTBEATS = "SELECT id, last_heartbeat FROM procrastinate_workers"
_AGE = """
UPDATE procrastinate_workers SET last_heartbeat = now() - make_interval(secs => %s)
WHERE id = ANY(%s) AND last_heartbeat > now() - make_interval(secs => %s)
"""


@dataclass
class Sightings:
    """How often in a row each worker was seen with the same heartbeat. Looks are counted, since clocks may jump."""

    needed: int = CONFIRMED
    _seen: dict[int, tuple[object, int]] = field(default_factory=dict)

    def look(self, heartbeats: Mapping[int, object]) -> None:
        """Take note of the heartbeats there are now."""
        self._seen = {worker: (at, self._times(worker, at) + 1) for worker, at in heartbeats.items()}

    def silent(self, looks: int) -> set[int]:
        """The workers that were seen with the same heartbeat so often at least."""
        return {worker for worker, (_, times) in self._seen.items() if times >= looks}

    def _times(self, worker: int, at: object) -> int:
        before, times = self._seen.get(worker, (None, 0))
        return times if before == at else 0


async def beat(pool: AsyncConnectionPool, workers: list[int]) -> None:
    """Say that these are alive."""
    async with pool.connection() as connection:
        await connection.execute(_BEAT, (workers,))


async def take_over(pool: AsyncConnectionPool, manager: JobManager, sightings: Sightings) -> int:
    """Let others have the jobs of workers that died, as far as sightings confirm it; how many those were.

    One process at a time: a second one, with the same list, would take a job away from whoever has just got it.
    """
    async with pool.connection() as connection:
        await cut_off(connection, STALE)
        await _look(connection, sightings)
        async with connection.transaction():
            if not await _alone(connection):
                return 0
            taken = await _released(manager, sightings.silent(sightings.needed))
            await connection.execute(_FORGET, (list(sightings.silent(LONG_SILENT)), _LONG_GONE))
            return taken


async def cut_off(connection: AsyncConnection, seconds: float) -> None:
    """End the transactions of ours that have lasted so long: whoever stands still in one keeps its thread locked.

    PostgreSQL's own time-outs see to those that are idle. Somebody who stopped while sending a batch counts as active.
    """
    await connection.execute(_CUT_OFF, (seconds,))


async def _look(connection: AsyncConnection, sightings: Sightings) -> None:
    sightings.look(dict(await (await connection.execute(_HEARTBEATS)).fetchall()))
    if silent := sightings.silent(LONG_SILENT):
        await connection.execute(_AGE, (2 * STALE, list(silent), STALE))


async def _released(manager: JobManager, silent: Collection[int]) -> int:
    found = await manager.get_stalled_jobs(seconds_since_heartbeat=STALE)
    stalled = [job for job in found if job.worker_id is None or job.worker_id in silent]
    for job in stalled:
        await _release(manager, job)
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
