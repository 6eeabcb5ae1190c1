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

from storage.jobs.procrastinate_patches import ReliableConnector, ReliableJobManager
from storage.jobs.queue import POLLED_QUEUES, Queue, RetryLater
from storage.jobs.recovery import (
    HEARTBEAT_INTERVAL_SECONDS,
    HeartbeatObservations,
    record_worker_heartbeats,
    requeue_stalled_jobs,
)
from storage.jobs.running_job import RunningJob
from storage.postgres import conninfo
from storage.timeout_connections import TimeoutAsyncConnection

POLL_INTERVAL_SECONDS: dict[Queue, float] = {"advance": 5.0, "deliver": 1.0, "timer": 1.0}
"""Seconds between two looks at a queue nobody rang for: a bell may be lost, and jobs for later ring none."""
_CLEANUP_CRON = "17 * * * *"
_DISABLED_INTERVAL_SECONDS = 3600.0
_CONNECT_TIMEOUT_SECONDS = 5.0
_CANCEL_RETRY_SECONDS = 2.0
"""Seconds for what runs no handler to end by itself."""

JobHandler = Callable[[RunningJob], Awaitable[None]]
"""Does a job. Whatever it raises, but Later, ends the job."""


@dataclass(frozen=True)
class QueueConfig:
    """What is done with the jobs of each queue served here, how many at once, and what is done once an hour."""

    handlers: Mapping[Queue, JobHandler]
    concurrency: Mapping[Queue, int]
    cleanup: Callable[[], Awaitable[None]]


class WorkerStopped(Exception):
    """Procrastinate's worker ended without an error, as it does when its connection was lost."""


@dataclass(frozen=True)
class WorkerCallbacks:
    """Whom to tell: of trouble, after which it is tried again, and of jobs taken over from workers that died.

    `pause` sleeps before the next attempt, told how many came before; it ends early when the process stops. `keep`
    runs a loop, by its name, until the loop returns: after an exception it is run again, unless the process stops.
    """

    on_error: Callable[[Exception], None]
    on_requeued: Callable[[int], None]
    wait_before_retry: Callable[[int], Awaitable[None]]
    run_forever: Callable[[str, Callable[[], Awaitable[None]]], Coroutine[Any, Any, None]]


@dataclass
class JobWorker:
    """Takes jobs until it is stopped, and starts again whatever ends before: a worker ends with its connection."""

    url: str
    config: QueueConfig
    callbacks: WorkerCallbacks
    poll_intervals: Mapping[Queue, float] = field(default_factory=lambda: POLL_INTERVAL_SECONDS)
    _app: App = field(init=False)
    _manager: ReliableJobManager = field(init=False)
    _pool: AsyncConnectionPool | None = None
    _queue_tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _recovery_tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _workers: dict[Queue, Worker] = field(default_factory=dict)
    _observations: HeartbeatObservations = field(default_factory=HeartbeatObservations)
    _running_jobs: int = 0
    _is_stopping: bool = False

    def __post_init__(self) -> None:
        connector = ReliableConnector()
        self._app = App(connector=connector)
        self._app.job_manager = self._manager = ReliableJobManager(connector, self._wait_before_retry)
        for queue, handler in self.config.handlers.items():
            register = self._app.task(name=queue, queue=queue, pass_context=True, retry=_RetryStrategy())
            register(partial(self._run_job, handler))
        hourly = self._app.task(name="housekeeping", queue=next(iter(self.config.handlers)))(self._cleanup)
        self._app.periodic(cron=_CLEANUP_CRON)(hourly)

    async def start(self) -> None:
        """Serve every queue."""
        self._pool = _create_connection_pool(self.url, len(self.config.handlers))
        await self._pool.open(wait=True)
        await self._app.open_async(self._pool)
        serving = {f"jobs of {queue}": partial(self._run_queue, queue) for queue in self.config.handlers}
        self._queue_tasks = {self._start_loop(name, serve) for name, serve in serving.items()}
        self._recovery_tasks = {self._start_loop("stalled jobs", self._recover_stalled_jobs)}

    async def stop(self) -> None:
        """Take no more jobs, and return once those that run have ended."""
        self._is_stopping = True
        for worker in self._workers.values():
            worker.stop()  # type: ignore[no-untyped-call]  # as with run
        await self._wait_for_tasks(self._queue_tasks)
        for task in self._recovery_tasks:
            task.cancel()
        await self._wait_for_tasks(self._recovery_tasks)
        if self._pool is not None:
            await self._pool.close()

    async def _wait_for_tasks(self, pending: set[asyncio.Task[None]]) -> None:
        """A cancellation may get lost in Python 3.11, also within Procrastinate: then it is not the last one.

        See github.com/python/cpython/issues/86296.
        """
        while pending:
            _, pending = await asyncio.wait(pending, timeout=_CANCEL_RETRY_SECONDS)
            for task in () if self._running_jobs else pending:
                task.cancel()

    @property
    def worker_ids(self) -> list[int]:
        """The names under which this process takes jobs."""
        return [worker.worker_id for worker in list(self._workers.values()) if worker.worker_id is not None]

    def _start_loop(self, name: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        return asyncio.create_task(self.callbacks.run_forever(name, loop), name=name)

    async def _run_queue(self, queue: Queue) -> None:
        """Take jobs of a queue until stopped. Raises WorkerEnded, and whatever ends Procrastinate's worker."""
        worker = self._workers[queue] = Worker(
            self._app,
            queues=[queue],
            name=queue,
            concurrency=self.config.concurrency[queue],
            fetch_job_polling_interval=self.poll_intervals[queue],
            abort_job_polling_interval=_DISABLED_INTERVAL_SECONDS,
            listen_notify=queue not in POLLED_QUEUES,
            delete_jobs=DeleteJobCondition.ALWAYS,
            install_signal_handlers=False,
            update_heartbeat_interval=_DISABLED_INTERVAL_SECONDS,  # we do, for all of them at once
            stalled_worker_timeout=_DISABLED_INTERVAL_SECONDS,
        )
        await worker.run()  # type: ignore[no-untyped-call]  # Procrastinate says not what it returns: nothing
        if not self._is_stopping:
            raise WorkerStopped

    async def _run_job(self, handler: JobHandler, context: JobContext, **arguments: str) -> None:
        job = RunningJob(arguments, context.job.attempts, context.job.id or 0)
        self._running_jobs += 1
        try:
            await handler(job)
        finally:
            self._running_jobs -= 1
            self._manager.finished_jobs |= {job.id} if job.is_finished else set()

    async def _wait_before_retry(self, error: ConnectorException, attempt: int) -> bool:
        """Until we stop: then whoever takes the job over finds out that it has ended."""
        self.callbacks.on_error(error)
        if self._is_stopping:
            return False
        await self.callbacks.wait_before_retry(attempt)
        return True

    async def _recover_stalled_jobs(self) -> None:
        """Look for the dead, until cancelled. Raises whatever a look raises."""
        while self._pool is not None:
            await self._record_heartbeats(self._pool)
            if (taken := await requeue_stalled_jobs(self._pool, self._app.job_manager, self._observations)) > 0:
                self.callbacks.on_requeued(taken)
            await asyncio.sleep(HEARTBEAT_INTERVAL_SECONDS)

    async def _record_heartbeats(self, pool: AsyncConnectionPool) -> None:
        """Whoever looks for the dead is alive: it says so first, and goes on saying so while its last jobs end.

        One that stood still would find its own jobs among theirs. Procrastinate says no word while it waits for jobs.
        """
        await record_worker_heartbeats(pool, self.worker_ids)

    async def _cleanup(self, timestamp: int) -> None:  # noqa: ARG002 - Procrastinate tells the nominal time
        await self.config.cleanup()


def _create_connection_pool(url: str, queues: int) -> AsyncConnectionPool:
    """For fetching and ending jobs, apart from those of our own transactions.

    Procrastinate's own pool asks each connection whether it lives before each query, and begins and commits around it:
    four journeys for one. A connection that died ends the worker instead, which starts again. That a job was taken, or
    has ended, is not waited for until it is on the disk: what a crash of the server takes back is done once more.
    """
    return AsyncConnectionPool(
        conninfo(url, application_name="handrail jobs", synchronous_commit="off"),
        connection_class=TimeoutAsyncConnection,
        configure=_enable_autocommit,
        min_size=1,
        max_size=2 + 2 * queues,
        timeout=_CONNECT_TIMEOUT_SECONDS,
        open=False,
    )


async def _enable_autocommit(connection: AsyncConnection) -> None:
    """Every query stands alone."""
    await connection.set_autocommit(True)


class _RetryStrategy(BaseRetryStrategy):
    def get_retry_decision(self, *, exception: BaseException, job: Taken) -> RetryDecision | None:  # noqa: ARG002 - Procrastinate's
        return RetryDecision(retry_at=exception.retry_at) if isinstance(exception, RetryLater) else None
