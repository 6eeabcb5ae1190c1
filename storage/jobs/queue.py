"""Jobs are deferred in the transaction of their cause, and end in the commit of their last event."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from storage.database.statements import CallFunction
from storage.database.transactions import WriteBatch

Queue = Literal["advance", "deliver", "timer"]
QUEUES: tuple[Queue, ...] = ("advance", "deliver", "timer")
POLLED_QUEUES: tuple[Queue, ...] = ("timer",)
"""Queues that are polled without notifications, since their jobs are scheduled for later."""

_DEFER = CallFunction(
    "handrail_defer({queue}, {queue}, {priority}, {lock}, {queueing_lock}, CAST({args} AS jsonb), "
    "CAST({at} AS timestamptz) + COALESCE(now() - CAST({as_of} AS timestamptz), interval '0'))"
)
"""Calls Procrastinate's defer function through a function that migration 0002 creates."""


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
