"""Job workers of one process, one per queue, so that a slow channel does not delay threads."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from procrastinate import App, JobContext
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import DeleteJobCondition
from procrastinate.jobs import Job as FetchedJob
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.worker import Worker
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from storage.database.postgres import TimeoutAsyncConnection, conninfo
from storage.jobs.procrastinate_patches import ReliableConnector, ReliableJobManager
from storage.jobs.queue import POLLED_QUEUES, Queue, RetryLater, RunningJob
from storage.jobs.recovery import (
    HEARTBEAT_INTERVAL_SECONDS,
    HeartbeatObservations,
    record_worker_heartbeats,
    requeue_stalled_jobs,
)

POLL_INTERVAL_SECONDS: dict[Queue, float] = {"advance": 5.0, "deliver": 1.0, "timer": 1.0, "input": 1.0}
"""Seconds between two polls. Notifications may be lost, and scheduled jobs have none."""
_CLEANUP_CRON = "17 * * * *"  # hourly
_DISABLED_INTERVAL_SECONDS = 3600.0
"""Interval of Procrastinate's loops that Handrail does not need: long enough to have no effect."""
_CONNECT_TIMEOUT_SECONDS = 5.0
_CANCEL_RETRY_SECONDS = 2.0
"""Seconds after which an idle worker task that did not stop is cancelled, and cancelled again."""

JobHandler = Callable[[RunningJob], Awaitable[None]]
"""Runs a job. Any exception other than RetryLater ends the job."""


@dataclass(frozen=True)
class QueueConfig:
    """Handler and concurrency (jobs at once) of each queue of this process, and the hourly cleanup of expired rows."""

    handlers: Mapping[Queue, JobHandler]
    concurrency: Mapping[Queue, int]
    cleanup: Callable[[], Awaitable[None]]


class WorkerStopped(Exception):
    """Procrastinate's worker returned without an error, as it does when its connection is lost."""


@dataclass(frozen=True)
class WorkerCallbacks:
    """Callbacks of the worker: for errors, after which it retries, and for jobs requeued from dead workers.

    `wait_before_retry` sleeps; its argument is the number of attempts, and it returns early when the process stops.
    `run_forever` runs a named loop until it returns, and again after an exception unless the process stops.
    """

    on_error: Callable[[Exception], None]
    on_requeued: Callable[[int], None]
    wait_before_retry: Callable[[int], Awaitable[None]]
    run_forever: Callable[[str, Callable[[], Awaitable[None]]], Coroutine[Any, Any, None]]


@dataclass
class JobWorker:
    """Runs jobs until it is stopped. A Procrastinate worker ends with its connection and is started again."""

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
        cleanup_task = self._app.task(name="housekeeping", queue=next(iter(self.config.handlers)))(self._cleanup)
        self._app.periodic(cron=_CLEANUP_CRON)(cleanup_task)

    async def start(self) -> None:
        """Start a worker for each queue."""
        self._pool = _create_connection_pool(self.url, len(self.config.handlers))
        await self._pool.open(wait=True)
        await self._app.open_async(self._pool)
        loops = {f"jobs of {queue}": partial(self._run_queue, queue) for queue in self.config.handlers}
        self._queue_tasks = {self._start_loop(name, loop) for name, loop in loops.items()}
        self._recovery_tasks = {self._start_loop("stalled jobs", self._recover_stalled_jobs)}

    async def stop(self) -> None:
        """Take no more jobs, and wait for those that run."""
        self._is_stopping = True
        for worker in self._workers.values():
            worker.stop()  # type: ignore[no-untyped-call]  # Procrastinate declares no types here
        await self._wait_for_tasks(self._queue_tasks)
        for task in self._recovery_tasks:
            task.cancel()
        await self._wait_for_tasks(self._recovery_tasks)
        if self._pool is not None:
            await self._pool.close()

    async def _wait_for_tasks(self, pending: set[asyncio.Task[None]]) -> None:
        """Wait for the tasks. A cancellation may get lost in Python 3.11, so it is repeated.

        See github.com/python/cpython/issues/86296.
        """
        while pending:
            _, pending = await asyncio.wait(pending, timeout=_CANCEL_RETRY_SECONDS)
            for task in () if self._running_jobs else pending:
                task.cancel()

    @property
    def worker_ids(self) -> list[int]:
        """Return the ids under which this process takes jobs."""
        return [worker.worker_id for worker in list(self._workers.values()) if worker.worker_id is not None]

    def _start_loop(self, name: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        return asyncio.create_task(self.callbacks.run_forever(name, loop), name=name)

    async def _run_queue(self, queue: Queue) -> None:
        """Run the worker of a queue until stopped. Raises WorkerStopped, and errors of Procrastinate's worker."""
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
            update_heartbeat_interval=_DISABLED_INTERVAL_SECONDS,  # see _record_heartbeats
            stalled_worker_timeout=_DISABLED_INTERVAL_SECONDS,
        )
        await worker.run()  # type: ignore[no-untyped-call]  # Procrastinate declares no types here
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
        """Wait before the next attempt. Return False when stopping: the job stays unfinished, for another worker."""
        self.callbacks.on_error(error)
        if self._is_stopping:
            return False
        await self.callbacks.wait_before_retry(attempt)
        return True

    async def _recover_stalled_jobs(self) -> None:
        """Record heartbeats and requeue stalled jobs until cancelled. Raises any error of an iteration."""
        while self._pool is not None:
            await self._record_heartbeats(self._pool)
            if (requeued := await requeue_stalled_jobs(self._pool, self._app.job_manager, self._observations)) > 0:
                self.callbacks.on_requeued(requeued)
            await asyncio.sleep(HEARTBEAT_INTERVAL_SECONDS)

    async def _record_heartbeats(self, pool: AsyncConnectionPool) -> None:
        """Record heartbeats before looking for stalled jobs, also while the last jobs end during a stop.

        Otherwise a process that was suspended would requeue its own jobs. Procrastinate sends no heartbeat while idle.
        """
        await record_worker_heartbeats(pool, self.worker_ids)

    async def _cleanup(self, timestamp: int) -> None:  # noqa: ARG002 - Procrastinate passes the scheduled time
        await self.config.cleanup()


def _create_connection_pool(url: str, queues: int) -> AsyncConnectionPool:
    """Return a pool for fetching and finishing jobs, separate from that of transactions.

    Procrastinate's own pool checks each connection before each query and wraps it in a transaction: four round trips
    instead of one. Here a dead connection ends the worker, which is restarted. Synchronous commit is off: a fetch or
    finish that a crash of the server loses is repeated.
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
    """Set autocommit, so that every query is its own transaction."""
    await connection.set_autocommit(True)


class _RetryStrategy(BaseRetryStrategy):
    def get_retry_decision(self, *, exception: BaseException, job: FetchedJob) -> RetryDecision | None:  # noqa: ARG002 - Procrastinate's
        return RetryDecision(retry_at=exception.retry_at) if isinstance(exception, RetryLater) else None
