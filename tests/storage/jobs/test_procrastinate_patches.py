"""A notified worker fetches until it has seen every job, also one that is added during a fetch."""

import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from procrastinate.connector import BaseAsyncConnector
from procrastinate.exceptions import ConnectorException

from storage.jobs.procrastinate_patches import ReliableJobManager

QUEUES = ["advance"]
NOTIFICATION = json.dumps({"type": "job_inserted", "job_id": 1})


async def never_retry(_error: ConnectorException, _attempt: int) -> bool:
    return False


@dataclass
class FakeConnector(BaseAsyncConnector):
    """Connector to a queue of jobs. `added_during_fetch` are added, with a notification, while fetches find nothing."""

    job_ids: deque[int] = field(default_factory=deque)
    added_during_fetch: deque[int] = field(default_factory=deque)
    fetches: int = 0
    notify: Callable[..., Awaitable[None]] | None = None

    async def listen_notify(self, on_notification: Callable[..., Awaitable[None]], channels: Any) -> None:
        self.notify = on_notification

    async def execute_query_one_async(self, query: str, **_arguments: Any) -> dict[str, Any]:
        self.fetches += 1
        job_id = self.job_ids.popleft() if self.job_ids else None
        if job_id is None and self.added_during_fetch:
            self.job_ids.append(self.added_during_fetch.popleft())
            await self.notify(channel="any", payload=NOTIFICATION)
        return {
            "id": job_id,
            "status": "doing",
            "lock": None,
            "queueing_lock": None,
            "task_name": "advance",
            "args": {},
            "priority": 0,
            "scheduled_at": None,
            "queue_name": "advance",
            "attempts": 0,
            "abort_requested": False,
            "worker_id": 1,
        }


async def fetch_all(connector: FakeConnector) -> list[int]:
    """Fetch until nothing is found, as Procrastinate's worker does after a notification."""
    manager = ReliableJobManager(connector, never_retry)
    await manager.listen_for_jobs(on_notification=ignore_notification, queues=QUEUES)
    found = []
    while (job := await manager.fetch_job(QUEUES, worker_id=1)) is not None:
        found.append(job.id)
    return found


async def ignore_notification(**_arguments: Any) -> None:
    """Ignore it: this test fetches by itself."""


async def test_all_waiting_jobs_are_fetched() -> None:
    connector = FakeConnector(job_ids=deque([1, 2, 3]))
    assert (await fetch_all(connector), connector.fetches) == ([1, 2, 3], 4)


async def test_job_added_during_a_fetch_is_fetched() -> None:
    connector = FakeConnector(job_ids=deque([1]), added_during_fetch=deque([2, 3]))
    assert await fetch_all(connector) == [1, 2, 3]
    assert not connector.job_ids
