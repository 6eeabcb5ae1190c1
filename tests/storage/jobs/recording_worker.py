"""A counter where jobs are handed out: a real server of jobs, whose work is what a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from storage.database import Database
from storage.jobs import QUEUES, Job, Queue, RunningJob, defer
from storage.jobs.worker import JobWorker, QueueConfig, WorkerCallbacks

WAIT_TIMEOUT_SECONDS = 20.0
ADVANCE: tuple[Queue, ...] = ("advance",)

DISABLED_POLL_SECONDS = 3600.0
"""A poll that no test lives to see: whatever is done was rung for."""


WAIT_FOR_LOCK = text("SELECT pg_advisory_xact_lock(1)")
_COUNT_LOCK_WAITS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def pause(_attempt: int = 0) -> None:
    """Long enough for others to act."""
    await asyncio.sleep(0.02)


@dataclass
class JobRecorder:
    """What was begun and what was done, by the names of the jobs; a job whose name has a gate waits for it."""

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
            except Exception as error:  # noqa: BLE001 - whatever it is, the loop goes on
                self.reported_errors.append(error)
            await pause()

    def _count_recovered(self, count: int) -> None:
        self.recovered += count


@asynccontextmanager
async def running_worker(
    url: str, recorder: JobRecorder, *, queues: tuple[Queue, ...] = ADVANCE, concurrency: int = 8, poll: float = 1.0
) -> AsyncIterator[JobWorker]:
    """Jobs are handed out until the end of the block."""
    handlers = QueueConfig(dict.fromkeys(queues, recorder.handle), dict.fromkeys(queues, concurrency), pause)
    server = JobWorker(url, handlers, recorder.callbacks(), dict.fromkeys(QUEUES, poll))
    await server.start()
    try:
        yield server
    finally:
        for gate in recorder.gates.values():
            gate.set()
        await server.stop()


def job(name: str, queue: Queue = "advance", **more) -> Job:
    return Job(queue, {"name": name}, **more)


async def enqueue(database: Database, *jobs: Job) -> None:
    await database.commit_batch(lambda _, writes: defer(writes, jobs))


def list_jobs(connection: Connection) -> list[str]:
    """The names of the jobs that are there, with their status; the hourly one that keeps house has none."""
    query = "SELECT args->>'name' || ' ' || status FROM procrastinate_jobs WHERE args ? 'name' ORDER BY id"
    return list(connection.execute(text(query)).scalars())


async def count_listeners(database: Database) -> int:
    """How many workers are rung for."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'handrail jobs' AND query LIKE 'LISTEN%'"
    )
    return await database.transaction(lambda connection: connection.execute(query).scalar_one())


async def wait_until_listening(database: Database) -> None:
    """A server that has just started or lost its connection hears no bell for a moment; the poll is there for that."""
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while not await count_listeners(database):
            await pause()


async def wait_for_blocked_transactions(connection: Connection, transactions: int) -> None:
    """Until so many transactions wait for others."""
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while connection.execute(_COUNT_LOCK_WAITS).scalar_one() != transactions:
            await pause()
