"""A counter where jobs are handed out: a real server of jobs, whose work is what a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from storage.database import Database
from storage.jobs import QUEUES, HeldJob, Job, Queue, defer
from storage.jobs.serving import Handlers, JobServer, Reports

PATIENCE = 20.0
ADVANCE: tuple[Queue, ...] = ("advance",)

NEVER = 3600.0
"""A poll that no test lives to see: whatever is done was rung for."""


WAIT = text("SELECT pg_advisory_xact_lock(1)")
_WAITS_FOR_A_LOCK = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def moment(_attempt: int = 0) -> None:
    """Long enough for others to act."""
    await asyncio.sleep(0.02)


@dataclass
class Counter:
    """What was begun and what was done, by the names of the jobs; a job whose name has a gate waits for it."""

    begun: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    most_at_once: int = 0
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    raised: dict[str, list[Exception]] = field(default_factory=dict)
    trouble: list[Exception] = field(default_factory=list)
    taken_over: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, job: HeldJob) -> None:
        name = job.arguments["name"]
        self.begun.append(name)
        self.most_at_once = max(self.most_at_once, len(self.begun) - len(self.done))
        await self._tell()
        if name in self.gates:
            await self.gates[name].wait()
        self.done.append(name)
        await self._tell()
        if self.raised.get(name):
            raise self.raised[name].pop(0)

    async def until_begun(self, *names: str) -> None:
        await self._until(lambda: set(names) <= set(self.begun))

    async def until_done(self, *names: str) -> None:
        await self._until(lambda: set(names) <= set(self.done))

    async def _until(self, reached) -> None:
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(reached)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def reports(self) -> Reports:
        return Reports(self.trouble.append, self._took_over, moment, self._keep)

    async def _keep(self, _name: str, loop: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await loop()
            except Exception as error:  # noqa: BLE001 - whatever it is, the loop goes on
                self.trouble.append(error)
            await moment()

    def _took_over(self, count: int) -> None:
        self.taken_over += count


@asynccontextmanager
async def serving(
    url: str, counter: Counter, *, queues: tuple[Queue, ...] = ADVANCE, at_once: int = 8, poll: float = 1.0
) -> AsyncIterator[JobServer]:
    """Jobs are handed out until the end of the block."""
    handlers = Handlers(dict.fromkeys(queues, counter.handle), dict.fromkeys(queues, at_once), moment)
    server = JobServer(url, handlers, counter.reports(), dict.fromkeys(QUEUES, poll))
    await server.start()
    try:
        yield server
    finally:
        for gate in counter.gates.values():
            gate.set()
        await server.stop()


def job(name: str, queue: Queue = "advance", **more) -> Job:
    return Job(queue, {"name": name}, **more)


async def deferred(database: Database, *jobs: Job) -> None:
    await database.write(lambda _, writes: defer(writes, jobs))


def waiting(connection: Connection) -> list[str]:
    """The names of the jobs that are there, with their status; the hourly one that keeps house has none."""
    query = "SELECT args->>'name' || ' ' || status FROM procrastinate_jobs WHERE args ? 'name' ORDER BY id"
    return list(connection.execute(text(query)).scalars())


async def listening(database: Database) -> int:
    """How many workers are rung for."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'handrail jobs' AND query LIKE 'LISTEN%'"
    )
    return await database.run(lambda connection: connection.execute(query).scalar_one())


async def until_listening(database: Database) -> None:
    """A server that has just started or lost its connection hears no bell for a moment; the poll is there for that."""
    async with asyncio.timeout(PATIENCE):
        while not await listening(database):
            await moment()


async def until_waiting(connection: Connection, transactions: int) -> None:
    """Until so many transactions wait for others."""
    async with asyncio.timeout(PATIENCE):
        while connection.execute(_WAITS_FOR_A_LOCK).scalar_one() != transactions:
            await moment()
