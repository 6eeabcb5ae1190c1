"""Approval round trips on PostgreSQL with fsync on: in one process, and with workers in processes of their own.

    python -m tests.bench.shared [--trips 400] [--threads 100000]

The server is started for the measurement, from PyPI binaries. The ratio to raw commits of the same server in the same
run depends less on the machine than the figures themselves.
"""

import argparse
import asyncio
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import psycopg
from sqlalchemy import Connection, TextClause, text

from agents.agent import Agent
from agents.events import StepChosen
from agents.policy import Policy
from agents.state import ThreadState
from bot import presence
from bot.ids import fresh_id, utc_now
from bot.roster import Roster
from bot.wiring import Bot, Share, bootstrap
from channels.registry import by_scheme
from storage.database import Database, connect
from storage.jobs import QUEUES, Queue
from storage.postgres import conninfo
from storage.processes import Process
from storage.schema import migrate
from storage.threads import events_after
from tests.bench.processes import RESTING, cpu_seconds, fill
from tests.bench.round_trips import AT_ONCE, Driver, InstantModel, at_once, one_after_another, people, ship
from tests.postgres import new_database, new_server

NEWS = timedelta(milliseconds=10)
"""How late the people of this measurement learn what a worker wrote: soon, since nobody waits so for an answer."""
MOMENT = 0.02
CONCURRENCY = AT_ONCE
_THREADS = text("SELECT id FROM thread WHERE status = 'done'")
_ASKED = text("SELECT id FROM request WHERE status = 'open'")
WARM_UP = 30


@dataclass
class Distant(Driver):
    """People at a process that takes no jobs."""

    opened: dict[str, datetime] = field(default_factory=dict)
    """When each thread's first message was committed."""

    async def _say(self, thread_id: str | None) -> str:
        thread_id = await super()._say(thread_id)
        self.opened.setdefault(thread_id, utc_now())
        return thread_id

    async def _until(self, thread_id: str, wanted: Callable[[ThreadState], bool]) -> ThreadState:
        with self.bot.engine.bell(thread_id) as bell:
            while True:
                bell.clear()
                if wanted(state := await self.bot.engine.load(thread_id)):
                    return state
                await bell.wait()

    async def backlog(self, trips: int) -> float:
        """Round trips per second where all people ask first, then all are answered: mostly the workers' part."""
        began, threads = time.perf_counter(), self._reading(_THREADS)
        before = await threads()
        await _some_at_once([partial(self._say, None)] * trips)
        asked = await self._seen(trips, self._reading(_ASKED))
        await _some_at_once([partial(self._approve, request_id) for request_id in asked])
        await self._seen(len(before) + trips, threads)
        return trips / (time.perf_counter() - began)

    def _reading(self, query: TextClause) -> Callable[[], Awaitable[Sequence[str]]]:
        return lambda: self.bot.engine.database.read(lambda connection: connection.execute(query).scalars().all())

    async def _seen(self, count: int, look: Callable[[], Awaitable[Sequence[str]]]) -> Sequence[str]:
        while len(found := await look()) < count:  # noqa: ASYNC110 - nobody rings for many threads at once
            await asyncio.sleep(MOMENT)
        return found

    async def delays(self) -> list[float]:
        """Milliseconds from each first commit to the first step that was chosen."""
        chosen = await self.bot.engine.database.read(lambda connection: [_chosen(connection, t) for t in self.opened])
        return [(at - self.opened[thread]) / timedelta(milliseconds=1) for thread, at in chosen]


async def _some_at_once(acts: Sequence[Callable[[], Awaitable[object]]]) -> None:
    async def one_after_the_other(share: Sequence[Callable[[], Awaitable[object]]]) -> None:
        for act in share:
            await act()

    await asyncio.gather(*(one_after_the_other(acts[number::AT_ONCE]) for number in range(AT_ONCE)))


def _chosen(connection: Connection, thread_id: str) -> tuple[str, datetime]:
    events = (event for _, event in events_after(connection, thread_id))
    return thread_id, next(event.at for event in events if isinstance(event, StepChosen))


def made(url: str, queues: dict[Queue, int]) -> Bot:
    agent = Agent(name="ship", purpose="ships", instructions="Ship what is asked for.", tools=(ship,))
    process = Process(fresh_id(), "bench", "here", os.getpid(), tuple(queues), CONCURRENCY, utc_now())
    roster = Roster({"ship": agent}, Policy(people=people()))
    return bootstrap(Database.open(url), roster, InstantModel(), by_scheme(), share=Share(process, queues))


async def serve(url: str) -> None:
    """A worker, until its input ends."""
    bot = await made(url, dict.fromkeys(QUEUES, CONCURRENCY)).start()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await bot.stop()


@contextmanager
def worker(url: str) -> Iterator[int]:
    """A worker in a process of its own: its process id."""
    command = [sys.executable, "-m", "tests.bench.shared", "--serve", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdin is None or process.stdout is None or process.stdout.readline() != b"ready\n":
            raise SystemExit("the worker did not become ready")
        yield process.pid
        process.stdin.close()


def raw_commits(url: str, commits: int = 2000) -> float:
    """Commits per second of one small row each, by one client."""
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        connection.execute("CREATE TABLE row (number integer, text text)")
        began = time.perf_counter()
        for number in range(commits):
            connection.execute("INSERT INTO row VALUES (%s, %s)", (number, "x" * 300))
        return commits / (time.perf_counter() - began)


async def in_one_process(url: str, trips: int, raw: float) -> None:
    """People and worker share a process, as in `handrail up`: nobody waits for news from elsewhere."""
    driver = Driver(made(url, dict.fromkeys(QUEUES, CONCURRENCY)))
    driver.bot.engine.listeners.append(driver.notice)
    await driver.bot.start()
    await one_after_another(driver, WARM_UP)
    driver.commits, driver.accepted = 0, []
    _print("one process, one by one", await one_after_another(driver, trips // 2), raw)
    print(f"commits per round trip        {driver.commits / (trips // 2):8.1f}")
    _print(f"one process, {AT_ONCE} at once", await at_once(driver, trips), raw)
    await driver.bot.stop()


async def in_several(url: str, trips: int, raw: float) -> None:
    """People at a process that takes no jobs, and one worker, then two."""
    presence.NEWS = NEWS
    driver = Distant(await made(url, {}).start())
    with ExitStack() as stack:
        stack.enter_context(worker(url))
        await one_after_another(driver, WARM_UP)
        driver.opened.clear()
        await one_after_another(driver, trips // 2)
        delays = await driver.delays()
        for workers in ("one worker", "two workers"):
            if workers == "two workers":
                stack.enter_context(worker(url))
            await driver.backlog(2 * WARM_UP)
            _print(f"{workers}, a backlog", await driver.backlog(2 * trips), raw)
    await driver.bot.stop()
    print(f"commit to next step, median   {statistics.median(delays):8.1f} ms")
    print(f"commit to next step, p99      {statistics.quantiles(delays, n=100)[98]:8.1f} ms")


def _print(what: str, rate: float, raw: float) -> None:
    print(f"{what:29} {rate:8.1f} /s   1 per {raw / rate:.0f} raw commits")


def at_rest(url: str) -> tuple[float, float]:
    """The share of a core one worker takes, and transactions per second of the database, over some time."""
    with worker(url) as pid:
        time.sleep(2)
        before, began = transactions(url), cpu_seconds(pid)
        time.sleep(RESTING)
        return (cpu_seconds(pid) - began) / RESTING, (transactions(url) - before) / RESTING


def transactions(url: str) -> int:
    engine = connect(url)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        query = text("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()")
        counted: int = connection.execute(query).scalar_one()
    engine.dispose()
    return counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trips", type=int, default=400)
    parser.add_argument("--threads", type=int, default=100_000)
    parser.add_argument("--serve", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve))
        return
    server = new_server(durable=True)
    url = new_database(server.url)
    engine = connect(url)
    migrate(engine)
    engine.dispose()
    raw = raw_commits(url)
    print(f"raw commits                   {raw:8.0f} /s")
    gc.freeze()
    asyncio.run(in_one_process(url, options.trips, raw))
    asyncio.run(in_several(url, options.trips, raw))

    _rest("a worker at rest", url)
    fill(url, options.threads)
    _rest(f"with {options.threads} waiting", url)


def _rest(what: str, url: str) -> None:
    share, rate = at_rest(url)
    print(f"{what:29} {share:8.2%} of a core, {rate:.1f} transactions/s")


if __name__ == "__main__":
    main()
