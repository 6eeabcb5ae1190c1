"""Execution backend that works on jobs in PostgreSQL, which several processes share (ADR 0015)."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from bot.execution.backend import ExecutionBackend, delete_expired_rows
from bot.execution.queue.handlers import JobHandlers
from bot.execution.queue.jobs import advance_job, redeliver_job, timer_job
from bot.log import LogEvent, log
from bot.services.inputs import list_lost_jobs
from bot.services.retry import LoopSupervisor
from storage.database.transactions import WriteBatch
from storage.jobs import Job, Queue, RetryLater, RunningJob, defer
from storage.jobs.worker import POLL_INTERVAL_SECONDS, JobHandler, JobWorker, QueueConfig, WorkerCallbacks
from storage.outbox import list_pending_created_before
from storage.schedule import list_due_threads, list_stale_unfinished_threads

SWEEP_INTERVAL = timedelta(seconds=60)
"""Time after which unfinished work without progress gets a new job, in case its own was lost."""


@dataclass
class QueueBackend:
    """Executes jobs. `queues` maps each queue to the number of concurrent jobs."""

    handlers: JobHandlers
    queues: Mapping[Queue, int]
    supervisor: LoopSupervisor
    poll_intervals: Mapping[Queue, float] = field(default_factory=lambda: POLL_INTERVAL_SECONDS)
    _job_worker: JobWorker | None = None
    _sweep_task: asyncio.Task[None] | None = None
    _running_tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        handlers = {queue: self._make_cancellable(queue) for queue in self.queues}
        config = QueueConfig(handlers, self.queues, self._run_cleanup)
        supervise = partial(self.supervisor.supervise, stop_event=self.handlers.stop_event)
        callbacks = WorkerCallbacks(_log_database_error, _log_jobs_taken_over, self._wait_before_retry, supervise)
        worker = JobWorker(self.handlers.engine.database.url, config, callbacks, self.poll_intervals)
        await worker.start()
        self._job_worker = worker
        self._sweep_task = self.supervisor.start("sweep", self._sweep_periodically)

    async def stop(self, grace_seconds: float) -> None:
        self.handlers.stop_event.set()
        if self._job_worker is None or self._sweep_task is None:
            return
        self._sweep_task.cancel()
        stop_task = asyncio.create_task(self._job_worker.stop())
        await asyncio.wait([stop_task], timeout=grace_seconds)
        for task in self._running_tasks:
            task.cancel()
        await stop_task
        self._job_worker = None

    @property
    def is_running(self) -> bool:
        return self._job_worker is not None

    @property
    def worker_ids(self) -> list[int]:
        """The ids of the job workers of this process, for its heartbeat."""
        return [] if self._job_worker is None else self._job_worker.worker_ids

    def _make_cancellable(self, queue: Queue) -> JobHandler:
        """Return a handler that runs that of the queue in a task. If `stop` cancels the task, the job is requeued."""
        handle: JobHandler = getattr(self.handlers, queue)

        async def handle_in_task(job: RunningJob) -> None:
            task = asyncio.ensure_future(handle(job))
            self._running_tasks.add(task)
            try:
                await asyncio.wait([task])
            finally:
                self._running_tasks.discard(task)
            if task.cancelled():
                await self._requeue(queue, job)
            else:
                task.result()

        return handle_in_task

    async def _requeue(self, queue: Queue, job: RunningJob) -> None:
        if queue in ("deliver", "input"):
            raise RetryLater(self.handlers.repeater.clock.now())
        await self.handlers.defer(_copy_job(queue, job.arguments))

    async def _sweep_periodically(self) -> None:
        """Re-create lost jobs once per SWEEP_INTERVAL."""
        database, stop_event = self.handlers.engine.database, self.handlers.stop_event
        await self.handlers.repeater.every(SWEEP_INTERVAL, lambda: database.commit_batch(self._sweep_once), stop_event)

    def _sweep_once(self, connection: Connection, writes: WriteBatch) -> None:
        cutoff = self.handlers.repeater.clock.now() - SWEEP_INTERVAL
        defer(writes, map(advance_job, list_stale_unfinished_threads(connection, cutoff)))
        defer(writes, (timer_job(thread_id, cutoff) for thread_id in list_due_threads(connection, cutoff)))
        pending = dict.fromkeys((m.thread_id, m.effect.to) for m in list_pending_created_before(connection, cutoff))
        defer(writes, (redeliver_job(thread_id, to) for thread_id, to in pending))
        defer(writes, list_lost_jobs(connection, cutoff))

    async def _wait_before_retry(self, attempt: int) -> None:
        await self.handlers.repeater.back_off(min(attempt, 4), self.handlers.stop_event)

    async def _run_cleanup(self) -> None:
        await delete_expired_rows(self.handlers.engine.database, self.handlers.repeater.clock.now())


def _copy_job(queue: Queue, arguments: Mapping[str, str]) -> Job:
    if queue == "advance":
        return advance_job(arguments["thread"])
    return timer_job(arguments["thread"], datetime.fromisoformat(arguments["at"]))


def _log_database_error(error: Exception) -> None:
    log(LogEvent.DATABASE_UNAVAILABLE, level="warning", error=error)


def _log_jobs_taken_over(count: int) -> None:
    log(LogEvent.JOBS_TAKEN_OVER, level="warning", count=count)


_: Callable[..., ExecutionBackend] = QueueBackend
