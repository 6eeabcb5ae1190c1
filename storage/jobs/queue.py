"""The job queues. Jobs are deferred (enqueued) in the transaction of their cause, and end with their last event.

Operators see statistics of the queues, and jobs whose worker is gone.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job as FetchedJob
from procrastinate.manager import JobManager
from sqlalchemy import Connection, text

from agents.core.errors import StoreUnavailable
from storage.database.postgres import conninfo
from storage.database.tables import CallFunction
from storage.database.transactions import WriteBatch
from storage.jobs.recovery import HEARTBEAT_TIMEOUT_SECONDS

Queue = Literal["advance", "deliver", "timer", "input"]
QUEUES: tuple[Queue, ...] = ("advance", "deliver", "timer", "input")
"""Their jobs run a thread until it has to wait (`advance`), deliver a message, fire a timer, or process an input."""

POLLED_QUEUES: tuple[Queue, ...] = ("timer",)
"""Queues that are polled without notifications, since their jobs are scheduled for later."""

_DEFER = CallFunction(
    "handrail_defer({queue}, {queue}, {priority}, {lock}, {queueing_lock}, CAST({args} AS jsonb), "
    "CAST({at} AS timestamptz) + COALESCE(now() - CAST({as_of} AS timestamptz), interval '0'))"
)
"""Calls Procrastinate's defer function through a function that migration 0002 creates."""
_DEFER_ON_CONNECTION = text(
    _DEFER.render({name: f":{name}" for name in ("queue", "priority", "lock", "queueing_lock", "args", "at", "as_of")})
)


@dataclass(frozen=True)
class Job:
    """One job. The queue is also the name of the task, and `at` is the earliest start.

    Jobs with the same `lock` run one after the other. Only one job with a `queueing_lock` waits at a time. `as_of`
    is the current time of the clock that `at` refers to, since the clock of the database may differ.
    """

    queue: Queue
    args: Mapping[str, str]
    priority: int = 0
    lock: str | None = None
    queueing_lock: str | None = None
    at: datetime | None = None
    as_of: datetime | None = None


class RetryLater(Exception):
    """Raised by a job handler to run the job again at `retry_at`, before later jobs with its lock."""

    def __init__(self, retry_at: datetime) -> None:
        super().__init__()
        self.retry_at = retry_at


def defer(writes: WriteBatch, jobs: Iterable[Job]) -> None:
    """Defer the jobs in the commit of the batch."""
    writes.add(_DEFER, map(_job_to_row, jobs))


def defer_on(connection: Connection, job: Job) -> None:
    """Defer the job in the transaction of the connection."""
    connection.execute(_DEFER_ON_CONNECTION, _job_to_row(job))


def _job_to_row(job: Job) -> dict[str, Any]:
    return {
        "queue": job.queue,
        "priority": job.priority,
        "lock": job.lock,
        "queueing_lock": job.queueing_lock,
        "args": json.dumps(job.args),
        "at": job.at,
        "as_of": job.as_of,
    }


FINISH_STATEMENT = CallFunction("handrail_end({job}, {attempts}, 'succeeded')")
"""Ends the job if its number of attempts is still this one: it has another once another worker takes it.

Migration 0002 creates the function.
"""


@dataclass
class RunningJob:
    """A running job. `attempts` counts earlier attempts; `is_finished` is set once a commit has finished the job."""

    arguments: Mapping[str, str]
    attempts: int = 0
    id: int = 0
    is_finished: bool = field(default=False)

    def finish_in(self, writes: WriteBatch) -> None:
        """Finish the job with this commit, unless another worker owns it by then."""
        writes.add(FINISH_STATEMENT, [{"job": self.id, "attempts": self.attempts}])


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
    """A job whose worker is gone or has sent no heartbeat for HEARTBEAT_TIMEOUT_SECONDS.

    `thread_id` is None for the cleanup job.
    """

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
