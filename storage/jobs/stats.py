"""Statistics of the job queues for operators, and jobs whose worker is gone."""

from dataclasses import dataclass

from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job as FetchedJob
from procrastinate.manager import JobManager
from sqlalchemy import Connection, text

from agents.core.errors import StoreUnavailable
from storage.database.postgres import conninfo
from storage.jobs.queue import QUEUES
from storage.jobs.recovery import HEARTBEAT_TIMEOUT_SECONDS

_CONNECT_TIMEOUT_SECONDS = 5.0
_SELECT_STATS = text("""
    SELECT queue_name AS queue,
           count(*) FILTER (WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())) AS waiting,
           count(*) FILTER (WHERE status = 'doing') AS doing,
           count(*) FILTER (WHERE status = 'todo' AND scheduled_at > now()) AS later
      FROM procrastinate_jobs WHERE status IN ('todo', 'doing') GROUP BY queue_name
""")


@dataclass(frozen=True)
class QueueStats:
    """Jobs of one queue: `waiting` for a worker, running (`doing`), and scheduled for `later`."""

    queue: str
    waiting: int = 0
    doing: int = 0
    later: int = 0


@dataclass(frozen=True)
class StalledJob:
    """A job whose worker has sent no heartbeat. `thread_id` is None for the cleanup job."""

    id: int
    queue: str
    thread_id: str | None
    attempts: int


def queue_stats(connection: Connection) -> list[QueueStats]:
    """Return the statistics of each queue, empty ones included."""
    found = {row["queue"]: QueueStats(**row) for row in connection.execute(_SELECT_STATS).mappings()}
    return [found.get(queue, QueueStats(queue)) for queue in QUEUES]


async def list_stalled_jobs(url: str) -> list[StalledJob]:
    """Return the jobs that the next recovery will requeue, by Procrastinate's query. Raises StoreUnavailable."""
    connector = PsycopgConnector(conninfo=conninfo(url), min_size=1, max_size=1, timeout=_CONNECT_TIMEOUT_SECONDS)
    try:
        await connector.open_async()
        return [
            _to_stalled_job(job)
            for job in await JobManager(connector).get_stalled_jobs(seconds_since_heartbeat=HEARTBEAT_TIMEOUT_SECONDS)
        ]
    except ConnectorException as error:
        raise StoreUnavailable("the job queue cannot be read: try again in a moment") from error
    finally:
        await connector.close_async()


def _to_stalled_job(job: FetchedJob) -> StalledJob:
    thread_id = job.task_kwargs.get("thread")
    return StalledJob(job.id or 0, job.queue, None if thread_id is None else str(thread_id), job.attempts)
