"""A real job worker whose handler records jobs and behaves as a test plans."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from storage.database.database import Database
from storage.database.tables import CallFunction
from storage.jobs import QUEUES, Job, Queue, RunningJob, defer
from storage.jobs.worker import JobWorker, QueueConfig, WorkerCallbacks
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

ADVANCE: tuple[Queue, ...] = ("advance",)

DISABLED_POLL_SECONDS = 3600.0
"""Poll interval longer than any test, so that jobs are found by notifications only."""


WAIT_FOR_ADVISORY_LOCK = CallFunction("pg_advisory_xact_lock(1)")
_COUNT_LOCK_WAITS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def pause(_attempt: int = 0) -> None:
    """Let other tasks and processes proceed."""
    await asyncio.sleep(0.02)


@dataclass
class JobRecorder:
    """Records names of started and done jobs. A job with a gate waits for it."""

    started: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    max_concurrency_seen: int = 0
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    planned_errors: dict[str, list[Exception]] = field(default_factory=dict)
    reported_errors: list[Exception] = field(default_factory=list)
    recovered: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, job: RunningJob) -> None:
        name = job.arguments["name"]
        self.started.append(name)
        self.max_concurrency_seen = max(self.max_concurrency_seen, len(self.started) - len(self.done))
        await self._notify()
        if name in self.gates:
            await self.gates[name].wait()
        self.done.append(name)
        await self._notify()
        if self.planned_errors.get(name):
            raise self.planned_errors[name].pop(0)

    async def wait_until_started(self, *names: str) -> None:
        await self._wait_until(lambda: set(names) <= set(self.started))

    async def wait_until_done(self, *names: str) -> None:
        await self._wait_until(lambda: set(names) <= set(self.done))

    async def _wait_until(self, condition) -> None:
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS), self._changed:
            await self._changed.wait_for(condition)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def callbacks(self) -> WorkerCallbacks:
        return WorkerCallbacks(self.reported_errors.append, self._count_recovered, pause, self._keep_running)

    async def _keep_running(self, _name: str, loop: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await loop()
            except Exception as error:  # noqa: BLE001 - the loop restarts after any error
                self.reported_errors.append(error)
            await pause()

    def _count_recovered(self, count: int) -> None:
        self.recovered += count


@asynccontextmanager
async def running_worker(
    url: str, recorder: JobRecorder, *, queues: tuple[Queue, ...] = ADVANCE, concurrency: int = 8, poll: float = 1.0
) -> AsyncIterator[JobWorker]:
    """Run a worker until the end of the block."""
    handlers = QueueConfig(dict.fromkeys(queues, recorder.handle), dict.fromkeys(queues, concurrency), pause)
    worker = JobWorker(url, handlers, recorder.callbacks(), dict.fromkeys(QUEUES, poll))
    await worker.start()
    try:
        yield worker
    finally:
        for gate in recorder.gates.values():
            gate.set()
        await worker.stop()


def job(name: str, queue: Queue = "advance", **options) -> Job:
    return Job(queue, {"name": name}, **options)


async def enqueue(database: Database, *jobs: Job) -> None:
    await database.commit_batch(lambda _, writes: defer(writes, jobs))


def list_jobs(connection: Connection) -> list[str]:
    """Return the names and statuses of all jobs, without the cleanup job, which has no name."""
    query = "SELECT args->>'name' || ' ' || status FROM procrastinate_jobs WHERE args ? 'name' ORDER BY id"
    return list(connection.execute(text(query)).scalars())


async def count_listeners(database: Database) -> int:
    """Return the number of workers that listen for notifications."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'handrail jobs' AND query LIKE 'LISTEN%'"
    )
    return await database.transaction(lambda connection: connection.execute(query).scalar_one())


async def wait_until_listening(database: Database) -> None:
    """Wait until the worker listens: one that starts or reconnects misses notifications, and relies on polling."""
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while not await count_listeners(database):
            await pause()


async def wait_for_blocked_transactions(connection: Connection, transactions: int) -> None:
    """Wait until that many transactions wait for locks."""
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while connection.execute(_COUNT_LOCK_WAITS).scalar_one() != transactions:
            await pause()
