"""Procrastinate's own queries, attended to where they would leave a job lying."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from itertools import count
from typing import Any

from procrastinate.connector import BaseConnector
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job, Notification, Status
from procrastinate.manager import JobManager, NotificationCallback, get_channel_for_queues

_MINE = """FROM (
    SELECT id FROM procrastinate_jobs
    WHERE id = %(job_id)s AND status = 'doing' AND attempts = %(attempts)s FOR UPDATE
) AS mine"""
"""Every taking of a job has a number of attempts of its own: whoever lost the job in between changes nothing."""
_FINISH = f"SELECT procrastinate_finish_job_v1(id, %(status)s, %(delete_job)s) {_MINE}"
_RETRY = f"SELECT procrastinate_retry_job_v2(id, %(retry_at)s, %(priority)s, %(queue)s, %(lock)s) {_MINE}"

Patience = Callable[[ConnectorException, int], Awaitable[bool]]
"""Told what went wrong, and how often: waits for a while, and says whether to try again."""


class AttendingManager(JobManager):
    """Hears the bell while it looks for a job, writes down that a job ended, and touches no job of others."""

    def __init__(self, connector: BaseConnector, patience: Patience) -> None:
        super().__init__(connector)
        self._patience = patience
        self._rings: Counter[str] = Counter()

    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        async def heard(*, channel: str, notification: Notification) -> None:
            self._rings[channel] += 1
            await on_notification(channel=channel, notification=notification)

        await super().listen_for_jobs(on_notification=heard, queues=queues)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Look again when the bell rang meanwhile: the worker forgets it, and the job would wait for the next poll."""
        channels = tuple(get_channel_for_queues(queues))
        while True:
            before = self._rung(channels)
            job = await super().fetch_job(queues, worker_id)
            if job is not None or self._rung(channels) == before:
                return job

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        await self._surely(job, _FINISH, status=status.value, delete_job=delete_job)

    async def retry_job(
        self,
        job: Job,
        retry_at: datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Raises UniqueViolation when the same waits already."""
        at = retry_at or datetime.now(UTC)
        await self._surely(job, _RETRY, retry_at=at, priority=priority, queue=queue, lock=lock)

    def _rung(self, channels: tuple[str, ...]) -> int:
        return sum(self._rings[channel] for channel in channels)

    async def _surely(self, job: Job, query: str, **arguments: Any) -> None:
        """A job whose end is not written down is kept from all others for as long as its worker lives."""
        for attempt in count(1):
            try:
                await self.connector.execute_query_async(query, job_id=job.id, attempts=job.attempts, **arguments)
            except UniqueViolation:
                raise
            except ConnectorException as error:
                if await self._patience(error, attempt):
                    continue
            return
