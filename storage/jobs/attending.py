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

_MINE = """FROM (
    SELECT id FROM procrastinate_jobs
    WHERE id = %(job_id)s AND status = 'doing' AND attempts = %(attempts)s FOR UPDATE
) AS mine"""
"""Every taking of a job has a number of attempts of its own: whoever lost the job in between changes nothing."""
_FINISH = "SELECT handrail_end(%(job_id)s, %(attempts)s, %(status)s)"
_RETRY = f"SELECT procrastinate_retry_job_v2(id, %(retry_at)s, %(priority)s, %(queue)s, %(lock)s) {_MINE}"

_SOMETHING = json.dumps({"type": "job_inserted", "job_id": 0})

Patience = Callable[[ConnectorException, int], Awaitable[bool]]
"""Told what went wrong, and how often: waits for a while, and says whether to try again."""


@dataclass
class Bell:
    """How often it rang for a job that was not found yet, and whether whoever looks has found one just now."""

    rings: int = 0
    _before: int = 0
    _found: bool = False
    _unrung: bool = False

    def worth_a_look(self) -> bool:
        """Not when the only one there was a ring for was found just now. Whoever comes without a ring finds all."""
        worth = bool(self.rings) or self._unrung or not self._found
        self._unrung = self._unrung or not self.rings
        self._found, self._before = False, self.rings
        return worth

    def found(self, job: bool) -> bool:
        """Told how the look ended; returns just that."""
        self.rings -= min(self.rings, 1) if job else self._before
        self._found, self._unrung = job, self._unrung and job
        return job


class AttendingConnector(PsycopgConnector):
    """Rings once for whatever it may have missed before it began to listen, and while it had lost its connection."""

    async def _loop_notify(
        self,
        on_notification: Notify,
        connection: AsyncConnection,
        timeout: float = LISTEN_TIMEOUT,  # noqa: ASYNC109 - Procrastinate's
    ) -> None:
        await on_notification(channel="", payload=_SOMETHING)
        await super()._loop_notify(on_notification, connection, timeout)


class AttendingManager(JobManager):
    """Hears the bell while it looks for a job, writes down that a job ended, and touches no job of others."""

    def __init__(self, connector: BaseConnector, patience: Patience) -> None:
        super().__init__(connector)
        self._patience = patience
        self.ended: set[int] = set()
        """Jobs that ended with a commit of their own."""
        self._bells: dict[tuple[str, ...], Bell] = defaultdict(Bell)

    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        async def heard(*, channel: str, notification: Notification) -> None:
            bell.rings += 1
            await on_notification(channel=channel, notification=notification)

        bell = self._bells[tuple(queues or ())]

        await super().listen_for_jobs(on_notification=heard, queues=queues)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Look again when the bell rang meanwhile: the worker forgets it, and the job would wait for the next poll.

        The worker in turn looks again after each job it finds. That is left out where there was one ring for one job.
        """
        bell = self._bells[tuple(queues or ())]
        while bell.worth_a_look():
            job = await super().fetch_job(queues, worker_id)
            if bell.found(job is not None) or not bell.rings:
                return job
        return None

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:  # noqa: ARG002 - Procrastinate's
        """Every job is deleted, whatever Procrastinate would have us do."""
        if job.id in self.ended:
            self.ended.discard(job.id)
        else:
            await self._surely(job, _FINISH, status=status.value)

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
