"""Approval round trips on PostgreSQL with fsync: in one process, and with separate worker processes.

    python -m tests.bench.postgres_round_trips [--trips 400] [--threads 100000]

The server is started for the measurement, from PyPI binaries. The ratio to raw commits of the same run depends less
on the machine than the absolute figures.
"""

import argparse
import asyncio
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

from agents.core.agent import Agent
from agents.core.events import StepChosen
from agents.core.policy import Policy
from agents.core.state import ThreadState
from bot.bootstrap import Bot, QueueAssignment, bootstrap
from bot.execution import heartbeat as process_heartbeat
from bot.services.ids import generate_id, utc_now
from bot.services.roster import Roster
from storage.database.database import Database, create_database_engine
from storage.database.postgres import conninfo
from storage.database.schema import migrate
from storage.event_store import events_after
from storage.jobs import QUEUES, Queue
from storage.processes import Process
from tests.bench.processes import IDLE_SECONDS, cpu_seconds, insert_waiting_threads
from tests.bench.round_trips import (
    CONCURRENT_CLIENTS,
    InstantModel,
    LoadGenerator,
    run_concurrently,
    run_serially,
    ship,
)
from tests.harness.channels import channels_by_scheme
from tests.harness.people import PEOPLE
from tests.postgres import create_database, start_server

COMMIT_POLL_INTERVAL = timedelta(milliseconds=10)
"""Interval at which the load generator polls for commits of workers: shorter than in production, to measure latency."""
POLL_INTERVAL_SECONDS = 0.02
WORKER_CONCURRENCY = CONCURRENT_CLIENTS
_SELECT_DONE_THREADS = text("SELECT id FROM thread WHERE status = 'done'")
_SELECT_OPEN_REQUESTS = text("SELECT id FROM request WHERE status = 'open'")
WARM_UP_TRIPS = 30


@dataclass
class RemoteLoadGenerator(LoadGenerator):
    """Load generator in a process that takes no jobs."""

    opened_at: dict[str, datetime] = field(default_factory=dict)
    """Time of the commit of each thread's first message."""

    async def _post_message(self, thread_id: str | None) -> str:
        thread_id = await super()._post_message(thread_id)
        self.opened_at.setdefault(thread_id, utc_now())
        return thread_id

    async def _wait_until(self, thread_id: str, condition: Callable[[ThreadState], bool]) -> ThreadState:
        with self.bot.engine.subscribe(thread_id) as event:
            while True:
                event.clear()
                if condition(state := await self.bot.engine.load(thread_id)):
                    return state
                await event.wait()

    async def measure_backlog(self, trips: int) -> float:
        """Return round trips per second if all requests are opened first, and then all are answered."""
        started_at, threads = time.perf_counter(), self._query(_SELECT_DONE_THREADS)
        done_before = await threads()
        await _run_all([partial(self._post_message, None)] * trips)
        request_ids = await self._wait_for_count(trips, self._query(_SELECT_OPEN_REQUESTS))
        await _run_all([partial(self._approve, request_id) for request_id in request_ids])
        await self._wait_for_count(len(done_before) + trips, threads)
        return trips / (time.perf_counter() - started_at)

    def _query(self, query: TextClause) -> Callable[[], Awaitable[Sequence[str]]]:
        return lambda: self.bot.engine.database.read(lambda connection: connection.execute(query).scalars().all())

    async def _wait_for_count(self, count: int, load: Callable[[], Awaitable[Sequence[str]]]) -> Sequence[str]:
        while len(found := await load()) < count:  # noqa: ASYNC110 - there is no event for many threads
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
        return found

    async def load_first_step_delays(self) -> list[float]:
        """Return milliseconds from each first commit to the first chosen step."""
        first_steps = await self.bot.engine.database.read(
            lambda connection: [_first_step_at(connection, t) for t in self.opened_at]
        )
        return [(at - self.opened_at[thread]) / timedelta(milliseconds=1) for thread, at in first_steps]


async def _run_all(actions: Sequence[Callable[[], Awaitable[object]]]) -> None:
    """Run the actions, CONCURRENT_CLIENTS at once."""

    async def run_in_order(client_actions: Sequence[Callable[[], Awaitable[object]]]) -> None:
        for action in client_actions:
            await action()

    await asyncio.gather(*(run_in_order(actions[number::CONCURRENT_CLIENTS]) for number in range(CONCURRENT_CLIENTS)))


def _first_step_at(connection: Connection, thread_id: str) -> tuple[str, datetime]:
    events = (event for _, event in events_after(connection, thread_id))
    return thread_id, next(event.at for event in events if isinstance(event, StepChosen))


def build_bot(url: str, queues: dict[Queue, int]) -> Bot:
    agent = Agent(name="ship", purpose="ships", instructions="Ship what is asked for.", tools=(ship,))
    process = Process(
        id=generate_id(),
        role="bench",
        host="localhost",
        pid=os.getpid(),
        queues=tuple(queues),
        concurrency=WORKER_CONCURRENCY,
        started_at=utc_now(),
    )
    roster = Roster({"ship": agent}, Policy(people=PEOPLE))
    return bootstrap(
        Database.open(url), roster, InstantModel(), channels_by_scheme(), assignment=QueueAssignment(process, queues)
    )


async def run_worker(url: str) -> None:
    """Run a worker until stdin is closed."""
    bot = await build_bot(url, dict.fromkeys(QUEUES, WORKER_CONCURRENCY)).start()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await bot.stop()


@contextmanager
def running_worker(url: str) -> Iterator[int]:
    """Start a worker process and yield its process id."""
    command = [sys.executable, "-m", "tests.bench.postgres_round_trips", "--serve", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdin is None or process.stdout is None or process.stdout.readline() != b"ready\n":
            raise SystemExit("the worker did not become ready")
        yield process.pid
        process.stdin.close()


def measure_raw_commits(url: str, commits: int = 2000) -> float:
    """Return commits per second of one small row each, by one client."""
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        connection.execute("CREATE TABLE row (number integer, text text)")
        started_at = time.perf_counter()
        for number in range(commits):
            connection.execute("INSERT INTO row VALUES (%s, %s)", (number, "x" * 300))
        return commits / (time.perf_counter() - started_at)


async def measure_one_process(url: str, trips: int, raw: float) -> None:
    """Measure one process that sends the load and also runs the threads, as `handrail up` does."""
    generator = LoadGenerator(build_bot(url, dict.fromkeys(QUEUES, WORKER_CONCURRENCY)))
    generator.bot.engine.listeners.append(generator.on_commit)
    await generator.bot.start()
    await run_serially(generator, WARM_UP_TRIPS)
    generator.commits, generator.accept_seconds = 0, []
    _print_rate("one process, serial", await run_serially(generator, trips // 2), raw)
    print(f"commits per round trip        {generator.commits / (trips // 2):8.1f}")
    _print_rate(f"one process, {CONCURRENT_CLIENTS} concurrent", await run_concurrently(generator, trips), raw)
    await generator.bot.stop()


async def measure_several_processes(url: str, trips: int, raw: float) -> None:
    """Measure a process that takes no jobs, with one worker process, then two."""
    process_heartbeat.POLL_INTERVAL = COMMIT_POLL_INTERVAL
    generator = RemoteLoadGenerator(await build_bot(url, {}).start())
    with ExitStack() as stack:
        stack.enter_context(running_worker(url))
        await run_serially(generator, WARM_UP_TRIPS)
        generator.opened_at.clear()
        await run_serially(generator, trips // 2)
        delays = await generator.load_first_step_delays()
        for workers in ("one worker", "two workers"):
            if workers == "two workers":
                stack.enter_context(running_worker(url))
            await generator.measure_backlog(2 * WARM_UP_TRIPS)
            _print_rate(f"{workers}, backlog", await generator.measure_backlog(2 * trips), raw)
    await generator.bot.stop()
    print(f"commit to next step, median   {statistics.median(delays):8.1f} ms")
    print(f"commit to next step, p99      {statistics.quantiles(delays, n=100)[98]:8.1f} ms")


def _print_rate(label: str, rate: float, raw: float) -> None:
    print(f"{label:29} {rate:8.1f} /s   1 per {raw / rate:.0f} raw commits")


def measure_idle_worker(url: str) -> tuple[float, float]:
    """Return the share of a core that an idle worker uses, and transactions per second of the database."""
    with running_worker(url) as pid:
        time.sleep(2)
        before, started_at = count_transactions(url), cpu_seconds(pid)
        time.sleep(IDLE_SECONDS)
        return (cpu_seconds(pid) - started_at) / IDLE_SECONDS, (count_transactions(url) - before) / IDLE_SECONDS


def count_transactions(url: str) -> int:
    engine = create_database_engine(url)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        query = text("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()")
        count: int = connection.execute(query).scalar_one()
    engine.dispose()
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trips", type=int, default=400)
    parser.add_argument("--threads", type=int, default=100_000)
    parser.add_argument("--serve", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(run_worker(options.serve))
        return
    server = start_server(is_durable=True)
    url = create_database(server.url)
    engine = create_database_engine(url)
    migrate(engine)
    engine.dispose()
    raw = measure_raw_commits(url)
    print(f"raw commits                   {raw:8.0f} /s")
    asyncio.run(measure_one_process(url, options.trips, raw))
    asyncio.run(measure_several_processes(url, options.trips, raw))

    _print_idle("idle worker", url)
    insert_waiting_threads(url, options.threads)
    _print_idle(f"with {options.threads} waiting", url)


def _print_idle(label: str, url: str) -> None:
    share, rate = measure_idle_worker(url)
    print(f"{label:29} {share:8.2%} of a core, {rate:.1f} transactions/s")


if __name__ == "__main__":
    main()
