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

BEGUN = 1000
"""The priority of a job that was begun before: only who has it knows that its messages may have arrived."""

_SOMETHING = json.dumps({"type": "job_inserted", "job_id": 0})

Patience = Callable[[ConnectorException, int], Awaitable[bool]]
"""Told what went wrong, and how often: waits for a while, and says whether to try again."""


@dataclass
class Rings:
    """How often somebody rang for a job that was not found yet, and how the last look ended."""

    unanswered: int = 0
    _all: bool = False
    _found: bool = False

    def are_answered(self) -> bool:
        """Asked before a look: after a job was found there is no other, if there was one ring for it.

        Who looks without a ring looks until there is nothing left.
        """
        answered = self._found and not self.unanswered and not self._all
        self._all = not answered and (self._all or not self.unanswered)
        self._found = False
        return answered

    def looked(self, before: int, *, found: bool) -> bool:
        """Told how often it had rung before a look; whether that look was enough."""
        self.unanswered -= min(before, 1) if found else before
        self._found, self._all = found, self._all and found
        return found or not self.unanswered


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
    """Hears what rings while it looks for a job, writes down that a job ended, and touches no job of others."""

    def __init__(self, connector: BaseConnector, patience: Patience) -> None:
        super().__init__(connector)
        self._patience = patience
        self.ended: set[int] = set()
        """Jobs that ended with a commit of their own."""
        self._rings: dict[tuple[str, ...], Rings] = defaultdict(Rings)

    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        rings = self._rings[tuple(queues or ())]

        async def heard(*, channel: str, notification: Notification) -> None:
            rings.unanswered += 1
            await on_notification(channel=channel, notification=notification)

        await super().listen_for_jobs(on_notification=heard, queues=queues)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Look again when it rang meanwhile: the worker forgets that, and the job would wait for the next poll.

        The worker in turn looks again after each job it finds, often for nothing: then there is no look.
        """
        rings = self._rings[tuple(queues or ())]
        job, enough = None, rings.are_answered()
        while not enough:
            before = rings.unanswered
            job = await super().fetch_job(queues, worker_id)
            enough = rings.looked(before, found=job is not None)
        return job

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
        """Whoever has the job next goes before all others with its lock. Raises UniqueViolation when the same waits."""
        at, first = retry_at or datetime.now(UTC), priority or BEGUN
        await self._surely(job, _RETRY, retry_at=at, priority=first, queue=queue, lock=lock)

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
