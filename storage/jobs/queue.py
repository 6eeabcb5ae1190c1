"""Jobs are deferred in the transaction of what causes them: a roll-back takes them along."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import text

from storage.write_batch import WriteBatch

Queue = Literal["advance", "deliver", "timer"]
QUEUES: tuple[Queue, ...] = ("advance", "deliver", "timer")
POLLED_QUEUES: tuple[Queue, ...] = ("timer",)
"""Nobody listens for those: their jobs are for later, and nothing rings when their time has come."""

_DEFER = text(
    "SELECT handrail_defer(:queue, :queue, :priority, :lock, :once, CAST(:args AS jsonb), CAST(:at AS timestamptz) "
    "+ COALESCE(now() - CAST(:as_of AS timestamptz), interval '0'))"
)
"""The function around Procrastinate's own is in the migration that makes it."""


@dataclass(frozen=True)
class Job:
    """One wake-up. The queue is also the name of the task, and `at` holds it back.

    Jobs with the same `lock` run one after the other; of several with the same `once` that wait one is enough.
    `as_of` is the time of this process where `at` is meant by its clock: the database's own may show another.
    """

    queue: Queue
    args: Mapping[str, str]
    priority: int = 0
    lock: str | None = None
    queueing_lock: str | None = None
    at: datetime | None = None
    as_of: datetime | None = None


class RetryLater(Exception):
    """Raised by whoever does a job: do it again in its place, not before then."""

    def __init__(self, retry_at: datetime) -> None:
        super().__init__()
        self.retry_at = retry_at


def defer(writes: WriteBatch, jobs: Iterable[Job]) -> None:
    """Have the jobs done once the transaction is committed."""
    writes.add(_DEFER, map(_job_to_row, jobs))


def _job_to_row(job: Job) -> dict[str, Any]:
    return {
        "queue": job.queue,
        "priority": job.priority,
        "lock": job.lock,
        "once": job.queueing_lock,
        "args": json.dumps(job.args),
        "at": job.at,
        "as_of": job.as_of,
    }
