"""Wake-ups as jobs in PostgreSQL: this process takes its share of them, beside others (DESIGN §4)."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from bot.job_handlers import JobHandlers
from bot.jobs import advance_job, deliver_again_job, timer_job
from bot.log import Action, log
from bot.loops import Loops
from bot.running import back_off
from bot.wakeups import WakeUps
from storage.jobs import HeldJob, Job, Later, Queue, defer
from storage.jobs.serving import POLLS, Handler, Handlers, JobServer, Reports
from storage.outbox import waiting_since
from storage.wakeups import due_threads, left_unfinished
from storage.writes import Writes

SWEEP = timedelta(seconds=60)
"""How long a thread may lie there with something to do before it is woken whether it has a job or not."""


@dataclass
class QueueWorker:
    """Takes jobs from `queues`, as many at once as it says for each."""

    handlers: JobHandlers
    queues: Mapping[Queue, int]
    loops: Loops
    polls: Mapping[Queue, float] = field(default_factory=lambda: POLLS)
    _server: JobServer | None = None
    _sweeper: asyncio.Task[None] | None = None
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        served = {queue: self._given_back(queue) for queue in self.queues}
        handlers = Handlers(served, self.queues, self.handlers.keep_house)
        keep = partial(self.loops.keep, stopping=self.handlers.stopping)
        reports = Reports(_troubled, _taken_over, self._pause, keep)
        server = JobServer(self.handlers.engine.database.url, handlers, reports, self.polls)
        await server.start()
        self._server = server
        self._sweeper = self.loops.start("sweep", self._sweep)

    async def stop(self, grace: float) -> None:
        self.handlers.stopping.set()
        if self._server is None or self._sweeper is None:
            return
        self._sweeper.cancel()
        stopping = asyncio.create_task(self._server.stop())
        await asyncio.wait([stopping], timeout=grace)
        for task in self._running:
            task.cancel()
        await stopping
        self._server = None

    @property
    def running(self) -> bool:
        return self._server is not None

    @property
    def worker_ids(self) -> list[int]:
        """The names under which this process takes jobs, for its heartbeat."""
        return [] if self._server is None else self._server.worker_ids

    def _given_back(self, queue: Queue) -> Handler:
        """The queue's handler, in a task of its own: when there is no time left to end it, the job goes to others."""
        handle: Handler = getattr(self.handlers, queue)

        async def handled(job: HeldJob) -> None:
            task = asyncio.ensure_future(handle(job))
            self._running.add(task)
            try:
                await asyncio.wait([task])
            finally:
                self._running.discard(task)
            if task.cancelled():
                await self._return_job(queue, job)
            else:
                task.result()

        return handled

    async def _return_job(self, queue: Queue, job: HeldJob) -> None:
        if queue == "deliver":
            raise Later(self.handlers.chance.now())
        await self.handlers.defer(_same_again(queue, job.arguments))

    async def _sweep(self) -> None:
        """The net under everything else: a lost wake-up is found after a minute."""
        while not self.handlers.stopping.is_set():
            await self.handlers.engine.database.write(self._swept)
            await self.handlers.sleep(self.handlers.chance.now() + SWEEP, self.handlers.stopping)

    def _swept(self, connection: Connection, writes: Writes) -> None:
        since = self.handlers.chance.now() - SWEEP
        defer(writes, map(advance_job, left_unfinished(connection, since)))
        defer(writes, (timer_job(thread_id, since) for thread_id in due_threads(connection, since)))
        left = dict.fromkeys((parcel.thread_id, parcel.effect.to) for parcel in waiting_since(connection, since))
        defer(writes, (deliver_again_job(thread_id, to) for thread_id, to in left))

    async def _pause(self, attempt: int) -> None:
        at = back_off(min(attempt, 4), self.handlers.chance.jitter(), self.handlers.chance.now())
        await self.handlers.sleep(at, self.handlers.stopping)


def _same_again(queue: Queue, arguments: Mapping[str, str]) -> Job:
    if queue == "advance":
        return advance_job(arguments["thread"])
    return timer_job(arguments["thread"], datetime.fromisoformat(arguments["at"]))


def _troubled(error: Exception) -> None:
    log(Action.DATABASE_UNAVAILABLE, level="warning", error=error)


def _taken_over(count: int) -> None:
    log(Action.JOBS_TAKEN_OVER, level="warning", count=count)


_: Callable[..., WakeUps] = QueueWorker
