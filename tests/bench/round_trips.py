"""Approval round trips through the real engine and store, with a model that takes no time.

    python -m tests.bench.round_trips [--trips 400] [--turns 1000]

A round trip is: message in, gated call, card, answer, tool, reply. Absolute figures depend on the machine; the ratio to
raw commits of the same database in the same run does so less.
"""

import argparse
import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agents.addresses import Address, person_address
from agents.agent import Agent
from agents.completion import Completion, CompletionOutcome
from agents.events import ToolSucceeded
from agents.messages import Assurance, IncomingMessage, Provenance
from agents.model import ModelRequest, OnPartialReply
from agents.people import People, Person
from agents.policy import ApprovalTerms, Policy
from agents.requests import Answer
from agents.state import ThreadState
from agents.steps import CallTool, DoneForNow
from agents.tools import ToolContext, ToolResult, tool
from bot.bootstrap import Bot, bootstrap
from bot.engine import CommitResult
from bot.roster import Roster
from bot.thread_service import NewThread
from channels.registry import channels_by_scheme
from storage.database import Database, create_database_engine
from storage.schema import migrate
from storage.sqlite import sqlite_path

CONCURRENCY = 16
ALICE, BOB, TERMINAL = person_address("alice"), person_address("bob"), Address("terminal:alice")


@tool(effect="idempotent", risk="high", ask=ApprovalTerms(roles=("release",)))
def ship(context: ToolContext, tag: str) -> ToolResult:
    """Ship a tag."""
    return ToolResult(summary=f"shipped {tag}", data={"tag": tag})


class InstantModel:
    """Ships whatever is asked for, then says so."""

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        last = model_request.state.history[-1]
        if isinstance(last, ToolSucceeded):
            step: CallTool | DoneForNow = DoneForNow(message=f"Done: {last.summary}.")
        else:
            step = CallTool(tool="ship", arguments={"tag": "v1.2.3"})
        return Completion(outcome=CompletionOutcome.OK, model="instant", step=step, reasoning="It was asked for.")


@dataclass
class Driver:
    """The person at the terminal and the approver, as fast as they can be."""

    bot: Bot
    commits: int = 0
    accept_seconds: list[float] = field(default_factory=list)
    _latest: dict[str, ThreadState] = field(default_factory=dict)
    _waiters: dict[str, tuple[Callable[[ThreadState], bool], asyncio.Future[ThreadState]]] = field(default_factory=dict)

    def on_commit(self, commit: CommitResult) -> None:
        self.commits += 1
        known = self._latest.get(commit.after.thread_id)
        if known is None or known.version < commit.after.version:  # one may be told of late
            self._latest[commit.after.thread_id] = commit.after
        wanted = self._waiters.get(commit.after.thread_id)
        if wanted is not None and not wanted[1].done() and wanted[0](commit.after):
            wanted[1].set_result(commit.after)

    async def round_trip(self, thread_id: str | None = None) -> str:
        """One round trip, in a new thread or as one more turn of an old one; returns the thread."""
        thread_id = await self._post_message(thread_id)
        state = await self._wait_until(thread_id, lambda s: s.open_request is not None and bool(s.open_request.cards))
        if state.open_request is None:
            raise AssertionError(thread_id)
        await self._approve(state.open_request.id)
        await self._wait_until(thread_id, lambda s: s.lifecycle == "done" and not s.pending_messages)
        return thread_id

    async def _approve(self, request_id: str) -> None:
        answer = Answer(by=BOB, channel=Address("terminal:bob"), assurance=Assurance.MEDIUM, decision="approve")
        await self.bot.approvals.answer(request_id, answer)

    async def _post_message(self, thread_id: str | None) -> str:
        began = time.perf_counter()
        heard = IncomingMessage(
            text="ship v1.2.3 please, it is tested",
            by=ALICE,
            source=TERMINAL,
            provenance=Provenance.VERIFIED_PERSON,
            at=self.bot.clock.now(),
        )
        if thread_id is None:
            recorded = await self.bot.threads.open(NewThread(message=heard, requester=ALICE, origin=TERMINAL))
        else:
            recorded = await self.bot.threads.post_message(thread_id, heard)
        self.accept_seconds.append(time.perf_counter() - began)
        return recorded.after.thread_id

    async def _wait_until(self, thread_id: str, condition: Callable[[ThreadState], bool]) -> ThreadState:
        future: asyncio.Future[ThreadState] = asyncio.get_running_loop().create_future()
        self._waiters[thread_id] = (condition, future)
        state = self._latest[thread_id]
        return state if condition(state) else await future


def build_people() -> People:
    return People(members=(Person(key="alice", name="Alice"), Person(key="bob", name="Bob", roles=("release",))))


async def start_driver(url: str) -> Driver:
    """A bot on a new database, and its driver."""
    engine = create_database_engine(url)
    migrate(engine)
    engine.dispose()
    agent = Agent(name="ship", purpose="ships", instructions="Ship what is asked for.", tools=(ship,))
    bot = bootstrap(
        Database.open(url), Roster({"ship": agent}, Policy(people=build_people())), InstantModel(), channels_by_scheme()
    )
    driver = Driver(bot)
    bot.engine.listeners.append(driver.on_commit)
    await bot.start()
    return driver


async def run_serially(driver: Driver, trips: int) -> float:
    """Round trips per second."""
    began = time.perf_counter()
    for _ in range(trips):
        await driver.round_trip()
    return trips / (time.perf_counter() - began)


async def run_concurrently(driver: Driver, trips: int) -> float:
    """Round trips per second, with AT_ONCE threads at a time."""

    async def some() -> None:
        for _ in range(trips // CONCURRENCY):
            await driver.round_trip()

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(CONCURRENCY)))
    return trips // CONCURRENCY * CONCURRENCY / (time.perf_counter() - began)


async def measure_long_thread(driver: Driver, turns: int) -> tuple[float, float]:
    """Median seconds of a round trip among the first and among the last 50 turns of one thread."""
    thread_id, taken = await driver.round_trip(), []
    for _ in range(turns):
        began = time.perf_counter()
        await driver.round_trip(thread_id)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[:50]), statistics.median(taken[-50:])


def database_bytes(url: str) -> int:
    """Bytes of the database once its log is folded into it."""
    engine = create_database_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return sqlite_path(url).stat().st_size


def raw_commits(folder: Path, commits: int = 2000) -> float:
    """Commits per second of one small row each, with the same settings of the same database."""
    engine = create_database_engine(f"sqlite:///{folder / 'raw.db'}")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE row (number INTEGER, text TEXT)")
        connection.commit()
        driver = connection.connection.driver_connection
        if driver is None:
            raise AssertionError("no connection")
        began = time.perf_counter()
        for number in range(commits):
            driver.execute("BEGIN IMMEDIATE")
            driver.execute("INSERT INTO row VALUES (?, ?)", (number, "x" * 300))
            driver.execute("COMMIT")
        rate = commits / (time.perf_counter() - began)
    engine.dispose()
    return rate


async def measure(folder: Path, trips: int, turns: int) -> None:
    """Print all figures."""
    raw = raw_commits(folder)
    driver = await start_driver(f"sqlite:///{folder / 'many.db'}")
    await run_serially(driver, 30)
    driver.commits, driver.accept_seconds = 0, []
    gc.freeze()
    serial = await run_serially(driver, trips)
    commits = driver.commits / trips
    parallel = await run_concurrently(driver, trips)
    accepted = statistics.quantiles(driver.accept_seconds, n=100)[98]
    await driver.bot.stop()
    url = f"sqlite:///{folder / 'long.db'}"
    driver = await start_driver(url)
    first, last = await measure_long_thread(driver, turns)
    await driver.bot.stop()
    print(f"raw commits                   {raw:8.0f} /s")
    print(f"commits per round trip        {commits:8.1f}")
    print(f"round trips, one by one       {serial:8.1f} /s   1 per {raw / serial:.0f} raw commits")
    print(f"round trips, {CONCURRENCY} at once       {parallel:8.1f} /s   1 per {raw / parallel:.0f} raw commits")
    print(f"accepting a message, p99      {accepted * 1000:8.1f} ms")
    print(f"turn {turns} against the first    {last / first:8.2f} times ({first * 1000:.1f} ms, {last * 1000:.1f} ms)")
    print(f"stored per round trip         {database_bytes(url) / (turns + 1):8.0f} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trips", type=int, default=400)
    parser.add_argument("--turns", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), options.trips, options.turns))


if __name__ == "__main__":
    main()
