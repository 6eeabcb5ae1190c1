"""Procrastinate's own queries, attended to where they would leave a job lying."""

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
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
) AS mine"""
"""Every taking of a job has a number of attempts of its own: whoever lost the job in between changes nothing."""
_FINISH = "SELECT handrail_end(%(job_id)s, %(attempts)s, %(status)s)"
_RETRY = f"SELECT procrastinate_retry_job_v2(id, %(retry_at)s, %(priority)s, %(queue)s, %(lock)s) {_OWNED_JOB_SQL}"

RESUMED_JOB_PRIORITY = 1000
"""The priority of a job that was begun before: only who has it knows that its messages may have arrived."""

_ANY_JOB_NOTIFICATION = json.dumps({"type": "job_inserted", "job_id": 0})

RetryDecider = Callable[[ConnectorException, int], Awaitable[bool]]
"""Told what went wrong, and how often: waits for a while, and says whether to try again."""


@dataclass
class NotificationCounter:
    """How often somebody rang for a job that was not found yet, and how the last look ended."""

    unhandled: int = 0
    _is_draining: bool = False
    _found_job: bool = False

    def may_skip_fetch(self) -> bool:
        """Asked before a look: after a job was found there is no other, if there was one ring for it.

        Who looks without a ring looks until there is nothing left.
        """
        answered = self._found_job and not self.unhandled and not self._is_draining
        self._is_draining = not answered and (self._is_draining or not self.unhandled)
        self._found_job = False
        return answered

    def record_fetch(self, unhandled_before: int, *, has_job: bool) -> bool:
        """Told how often it had rung before a look; whether that look was enough."""
        self.unhandled -= min(unhandled_before, 1) if has_job else unhandled_before
        self._found_job, self._is_draining = has_job, self._is_draining and has_job
        return has_job or not self.unhandled


class ReliableConnector(PsycopgConnector):
    """Rings once for whatever it may have missed before it began to listen, and while it had lost its connection."""

    async def _loop_notify(
        self,
        on_notification: Notify,
        connection: AsyncConnection,
        timeout: float = LISTEN_TIMEOUT,  # noqa: ASYNC109 - Procrastinate's
    ) -> None:
        await on_notification(channel="", payload=_ANY_JOB_NOTIFICATION)
        await super()._loop_notify(on_notification, connection, timeout)


class ReliableJobManager(JobManager):
    """Hears what rings while it looks for a job, writes down that a job ended, and touches no job of others."""

    def __init__(self, connector: BaseConnector, should_retry: RetryDecider) -> None:
        super().__init__(connector)
        self._should_retry = should_retry
        self.finished_jobs: set[int] = set()
        """Jobs that ended with a commit of their own."""
        self._notifications: dict[tuple[str, ...], NotificationCounter] = defaultdict(NotificationCounter)

    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        rings = self._notifications[tuple(queues or ())]

        async def heard(*, channel: str, notification: Notification) -> None:
            rings.unhandled += 1
            await on_notification(channel=channel, notification=notification)

        await super().listen_for_jobs(on_notification=heard, queues=queues)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Look again when it rang meanwhile: the worker forgets that, and the job would wait for the next poll.

        The worker in turn looks again after each job it finds, often for nothing: then there is no look.
        """
        rings = self._notifications[tuple(queues or ())]
        job, enough = None, rings.may_skip_fetch()
        while not enough:
            before = rings.unhandled
            job = await super().fetch_job(queues, worker_id)
            enough = rings.record_fetch(before, has_job=job is not None)
        return job

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:  # noqa: ARG002 - Procrastinate's
        """Every job is deleted, whatever Procrastinate would have us do."""
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
        """Whoever has the job next goes before all others with its lock. Raises UniqueViolation when the same waits."""
        at, first = retry_at or datetime.now(UTC), priority or RESUMED_JOB_PRIORITY
        await self._execute_with_retry(job, _RETRY, retry_at=at, priority=first, queue=queue, lock=lock)

    async def _execute_with_retry(self, job: Job, query: str, **arguments: Any) -> None:
        """A job whose end is not written down is kept from all others for as long as its worker lives."""
        for attempt in count(1):
            try:
                await self.connector.execute_query_async(query, job_id=job.id, attempts=job.attempts, **arguments)
            except UniqueViolation:
                raise
            except ConnectorException as error:
                if await self._should_retry(error, attempt):
                    continue
            return
