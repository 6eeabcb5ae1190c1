"""Procrastinate's connector and job manager, changed where a job would be left waiting or locked."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from itertools import count
from typing import Any

from procrastinate import PsycopgConnector
from procrastinate.connector import LISTEN_TIMEOUT, BaseConnector, Notify
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job, Notification, Status
from procrastinate.manager import JobManager, NotificationCallback
from psycopg import AsyncConnection

_OWNED_JOB_SQL = """FROM (
    SELECT id FROM procrastinate_jobs
    WHERE id = %(job_id)s AND status = 'doing' AND attempts = %(attempts)s FOR UPDATE
) AS owned"""
"""Selects the job only while it is this worker's: each fetch increases `attempts`, so a former owner matches no row."""
_FINISH = "SELECT handrail_end(%(job_id)s, %(attempts)s, %(status)s)"
"""Deletes the job under the same condition, by a function that migration 0002 creates."""
_RETRY = f"SELECT procrastinate_retry_job_v2(id, %(retry_at)s, %(priority)s, %(queue)s, %(lock)s) {_OWNED_JOB_SQL}"

RESUMED_JOB_PRIORITY = 1000
"""Priority of a job that was started before.

Its `attempts` show that its messages may already be sent; a new job for the same destination would send them again.
"""

_ANY_JOB_NOTIFICATION = json.dumps({"type": "job_inserted", "job_id": 0})

RetryDecider = Callable[[ConnectorException, int], Awaitable[bool]]
"""Called with an error and the number of attempts. Waits, and returns whether to try again."""


class ReliableConnector(PsycopgConnector):
    """Connector that notifies once when it starts to listen or reconnects, for jobs it may have missed."""

    async def _loop_notify(
        self,
        on_notification: Notify,
        connection: AsyncConnection,
        timeout: float = LISTEN_TIMEOUT,  # noqa: ASYNC109 - Procrastinate's signature
    ) -> None:
        await on_notification(channel="", payload=_ANY_JOB_NOTIFICATION)
        await super()._loop_notify(on_notification, connection, timeout)


class ReliableJobManager(JobManager):
    """Job manager that keeps notifications during a fetch, retries finishing, and changes only jobs of this worker."""

    def __init__(self, connector: BaseConnector, should_retry: RetryDecider) -> None:
        super().__init__(connector)
        self._should_retry = should_retry
        self.finished_jobs: set[int] = set()
        """Ids of jobs that were already finished in the commit of their own work."""
        self._notification_counts = Counter[tuple[str, ...]]()

    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        async def count_notification(*, channel: str, notification: Notification) -> None:
            self._notification_counts[tuple(queues or ())] += 1
            await on_notification(channel=channel, notification=notification)

        await super().listen_for_jobs(on_notification=count_notification, queues=queues)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Fetch a job, again if a notification arrived meanwhile, which the worker would forget until the next poll."""
        key = tuple(queues or ())
        while True:
            count_before = self._notification_counts[key]
            job = await super().fetch_job(queues, worker_id)
            if job is not None or self._notification_counts[key] == count_before:
                return job

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:  # noqa: ARG002 - Procrastinate's signature
        """Delete the job, in every status and for every value of `delete_job`."""
        if job.id in self.finished_jobs:
            self.finished_jobs.discard(job.id)
        else:
            await self._execute_with_retry(job, _FINISH, status=status.value)

    async def retry_job(
        self,
        job: Job,
        retry_at: datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Requeue the job before all others with its lock. Raises UniqueViolation if an equal job is waiting."""
        start_at, new_priority = retry_at or datetime.now(UTC), priority or RESUMED_JOB_PRIORITY
        await self._execute_with_retry(job, _RETRY, retry_at=start_at, priority=new_priority, queue=queue, lock=lock)

    async def _execute_with_retry(self, job: Job, query: str, **arguments: Any) -> None:
        """Execute the query until it succeeds or `should_retry` returns False, because the worker is stopping.

        An unfinished job stays locked for as long as its worker lives.
        """
        for attempt in count(1):
            try:
                await self.connector.execute_query_async(query, job_id=job.id, attempts=job.attempts, **arguments)
            except UniqueViolation:
                raise
            except ConnectorException as error:
                if await self._should_retry(error, attempt):
                    continue
            return
