"""The workers of one process, one for each queue, so that a slow channel holds up no thread."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from procrastinate import App, JobContext
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import DeleteJobCondition
from procrastinate.jobs import Job as Taken
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.worker import Worker
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from storage.bounded import BoundedAsyncConnection
from storage.jobs.attending import AttendingConnector, AttendingManager
from storage.jobs.deferring import POLLED, Later, Queue
from storage.jobs.held import HeldJob
from storage.jobs.stalled import INTERVAL, Sightings, beat, take_over
from storage.postgres import conninfo

POLLS: dict[Queue, float] = {"advance": 5.0, "deliver": 1.0, "timer": 1.0}
"""Seconds between two looks at a queue nobody rang for: a bell may be lost, and jobs for later ring none."""
_HOUSEKEEPING = "17 * * * *"
_NEVER = 3600.0
_PATIENCE = 5.0
_TO_END = 2.0
"""Seconds for what runs no handler to end by itself."""

Handler = Callable[[HeldJob], Awaitable[None]]
"""Does a job. Whatever it raises, but Later, ends the job."""


@dataclass(frozen=True)
class Handlers:
    """What is done with the jobs of each queue served here, how many at once, and what is done once an hour."""

    by_queue: Mapping[Queue, Handler]
    concurrency: Mapping[Queue, int]
    housekeeping: Callable[[], Awaitable[None]]


class WorkerEnded(Exception):
    """Procrastinate's worker ended without an error, as it does when its connection was lost."""


@dataclass(frozen=True)
class Reports:
    """Whom to tell: of trouble, after which it is tried again, and of jobs taken over from workers that died.

    `pause` sleeps before the next attempt, told how many came before; it ends early when the process stops. `keep`
    runs a loop, by its name, until the loop returns: after an exception it is run again, unless the process stops.
    """

    trouble: Callable[[Exception], None]
    taken_over: Callable[[int], None]
    pause: Callable[[int], Awaitable[None]]
    keep: Callable[[str, Callable[[], Awaitable[None]]], Coroutine[Any, Any, None]]


@dataclass
class JobServer:
    """Takes jobs until it is stopped, and starts again whatever ends before: a worker ends with its connection."""

    url: str
    handlers: Handlers
    reports: Reports
    polls: Mapping[Queue, float] = field(default_factory=lambda: POLLS)
    _app: App = field(init=False)
    _manager: AttendingManager = field(init=False)
    _pool: AsyncConnectionPool | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)
    _watching: set[asyncio.Task[None]] = field(default_factory=set)
    _workers: dict[Queue, Worker] = field(default_factory=dict)
    _sightings: Sightings = field(default_factory=Sightings)
    _running: int = 0
    _stopping: bool = False

    def __post_init__(self) -> None:
        connector = AttendingConnector()
        self._app = App(connector=connector)
        self._app.job_manager = self._manager = AttendingManager(connector, self._tried_again)
        for queue, handler in self.handlers.by_queue.items():
            register = self._app.task(name=queue, queue=queue, pass_context=True, retry=_InItsPlace())
            register(partial(self._done, handler))
        hourly = self._app.task(name="housekeeping", queue=next(iter(self.handlers.by_queue)))(self._keep_house)
        self._app.periodic(cron=_HOUSEKEEPING)(hourly)

    async def start(self) -> None:
        """Serve every queue."""
        self._pool = _connections(self.url, len(self.handlers.by_queue))
        await self._pool.open(wait=True)
        await self._app.open_async(self._pool)
        serving = {f"jobs of {queue}": partial(self._serve, queue) for queue in self.handlers.by_queue}
        self._serving = {self._kept(name, serve) for name, serve in serving.items()}
        self._watching = {self._kept("stalled jobs", self._watch)}

    async def stop(self) -> None:
        """Take no more jobs, and return once those that run have ended."""
        self._stopping = True
        for worker in self._workers.values():
            worker.stop()  # type: ignore[no-untyped-call]  # as with run
        await self._ended(self._serving)
        for task in self._watching:
            task.cancel()
        await self._ended(self._watching)
        if self._pool is not None:
            await self._pool.close()

    async def _ended(self, pending: set[asyncio.Task[None]]) -> None:
        """A cancellation may get lost in Python 3.11, also within Procrastinate: then it is not the last one.

        See github.com/python/cpython/issues/86296.
        """
        while pending:
            _, pending = await asyncio.wait(pending, timeout=_TO_END)
            for task in () if self._running else pending:
                task.cancel()

    @property
    def worker_ids(self) -> list[int]:
        """The names under which this process takes jobs."""
        return [worker.worker_id for worker in list(self._workers.values()) if worker.worker_id is not None]

    def _kept(self, name: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        return asyncio.create_task(self.reports.keep(name, loop), name=name)

    async def _serve(self, queue: Queue) -> None:
        """Take jobs of a queue until stopped. Raises WorkerEnded, and whatever ends Procrastinate's worker."""
        worker = self._workers[queue] = Worker(
            self._app,
            queues=[queue],
            name=queue,
            concurrency=self.handlers.concurrency[queue],
            fetch_job_polling_interval=self.polls[queue],
            abort_job_polling_interval=_NEVER,
            listen_notify=queue not in POLLED,
            delete_jobs=DeleteJobCondition.ALWAYS,
            install_signal_handlers=False,
            update_heartbeat_interval=_NEVER,  # we do, for all of them at once
            stalled_worker_timeout=_NEVER,
        )
        await worker.run()  # type: ignore[no-untyped-call]  # Procrastinate says not what it returns: nothing
        if not self._stopping:
            raise WorkerEnded

    async def _done(self, handler: Handler, context: JobContext, **arguments: str) -> None:
        job = HeldJob(arguments, context.job.attempts, context.job.id or 0)
        self._running += 1
        try:
            await handler(job)
        finally:
            self._running -= 1
            self._manager.ended |= {job.id} if job.ended else set()

    async def _tried_again(self, error: ConnectorException, attempt: int) -> bool:
        """Until we stop: then whoever takes the job over finds out that it has ended."""
        self.reports.trouble(error)
        if self._stopping:
            return False
        await self.reports.pause(attempt)
        return True

    async def _watch(self) -> None:
        """Look for the dead, until cancelled. Raises whatever a look raises."""
        while self._pool is not None:
            await self._beat(self._pool)
            if (taken := await take_over(self._pool, self._app.job_manager, self._sightings)) > 0:
                self.reports.taken_over(taken)
            await asyncio.sleep(INTERVAL)

    async def _beat(self, pool: AsyncConnectionPool) -> None:
        """Whoever looks for the dead is alive: it says so first, and goes on saying so while its last jobs end.

        One that stood still would find its own jobs among theirs. Procrastinate says no word while it waits for jobs.
        """
        await beat(pool, self.worker_ids)

    async def _keep_house(self, timestamp: int) -> None:  # noqa: ARG002 - Procrastinate tells the nominal time
        await self.handlers.housekeeping()


def _connections(url: str, queues: int) -> AsyncConnectionPool:
    """For fetching and ending jobs, apart from those of our own transactions.

    Procrastinate's own pool asks each connection whether it lives before each query, and begins and commits around it:
    four journeys for one. A connection that died ends the worker instead, which starts again. That a job was taken, or
    has ended, is not waited for until it is on the disk: what a crash of the server takes back is done once more.
    """
    return AsyncConnectionPool(
        conninfo(url, application_name="handrail jobs", synchronous_commit="off"),
        connection_class=BoundedAsyncConnection,
        configure=_alone,
        min_size=1,
        max_size=2 + 2 * queues,
        timeout=_PATIENCE,
        open=False,
    )


async def _alone(connection: AsyncConnection) -> None:
    """Every query stands alone."""
    await connection.set_autocommit(True)


class _InItsPlace(BaseRetryStrategy):
    def get_retry_decision(self, *, exception: BaseException, job: Taken) -> RetryDecision | None:  # noqa: ARG002 - Procrastinate's
        return RetryDecision(retry_at=exception.at) if isinstance(exception, Later) else None
