"""The one database thread: SQLite has one writer, so all transactions queue here, and those waiting share a commit.

Tried against an async driver and against a pool: a thread hop costs less than either, and nobody waits unfairly behind
SQLite's busy handler (docs/adr/0006).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Any

from sqlalchemy import Connection, Engine

from agents.errors import StoreUnavailable
from storage.lock import FileLock

MOST_AT_ONCE = 64
"""Functions that share one commit; more would only make the first one wait longer."""
MOST_WAITING = 5_000
"""Functions that may wait for their turn; another one is told to come back."""


@dataclass
class _Job:
    work: Callable[[Connection], Any]
    after: Callable[[Any], None] | None
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def report(self) -> None:
        """Runs on the loop. `after` is told of every commit, also when whoever waited has gone away.

        Where that fails, it is for whoever waited to hear: those behind in the line have no part in it.
        """
        if self.error is None and self.after is not None:
            try:
                self.after(self.result)
            except Exception as error:  # noqa: BLE001 - somebody else's bug, whatever it is
                self.error = error
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


@dataclass
class Writer:
    """Runs functions over a Connection, each in a transaction of its own as far as it can tell.

    A function must be able to run again: it reads, decides and writes through its connection and nothing else.
    """

    engine: Engine
    lock: FileLock
    on_rollback: Callable[[], None]
    _jobs: "SimpleQueue[_Job | None]" = field(default_factory=SimpleQueue)
    _thread: Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = Thread(target=self._serve, name="database", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Finish what is queued, end the thread, and let another process in."""
        self._jobs.put(None)
        self._thread.join()
        self.engine.dispose()
        self.lock.release()

    async def run(self, work: Callable[[Connection], Any], after: Callable[[Any], None] | None) -> Any:
        if self._jobs.qsize() >= MOST_WAITING:
            raise StoreUnavailable("too much is waiting for the database: try again in a moment")
        loop = asyncio.get_running_loop()
        job = _Job(work, after, loop, loop.create_future())
        self._jobs.put(job)
        return await job.future

    async def read(self, work: Callable[[Connection], Any]) -> Any:
        """In the same line: what was queued before is seen."""
        return await self.run(work, None)

    def _serve(self) -> None:
        with self.engine.connect() as connection:
            while jobs := self._next():
                self._commit(connection, jobs)
                _report(jobs)

    def _next(self) -> list[_Job]:
        first = self._jobs.get()
        jobs = [] if first is None else [first]
        while jobs and len(jobs) < MOST_AT_ONCE and not self._jobs.empty():
            if (job := self._jobs.get()) is None:
                self._jobs.put(None)  # stop after these
                break
            jobs.append(job)
        return jobs

    def _commit(self, connection: Connection, jobs: list[_Job]) -> None:
        """One commit for all. Should one of them fail, each gets a transaction of its own: functions may run twice."""
        try:
            with connection.begin():
                for job in jobs:
                    job.result = job.work(connection)
        except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits must be told
            self.on_rollback()
            if len(jobs) == 1:
                jobs[0].error = error
                return
            for job in jobs:
                self._commit(connection, [job])


def _report(jobs: list[_Job]) -> None:
    for loop in {job.loop for job in jobs}:
        loop.call_soon_threadsafe(_report_all, [job for job in jobs if job.loop is loop])


def _report_all(jobs: list[_Job]) -> None:
    for job in jobs:
        job.report()
