"""Approval round trips through the real engine and store, with an instant model.

    python -m tests.bench.round_trips [--trips 400] [--thread-trips 1000]

A round trip is: message, call that needs approval, card, answer, tool, reply. The ratio to raw commits of the same run
depends less on the machine than the absolute figures.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agents.core.agent import Agent
from agents.core.completion import Completion, CompletionOutcome
from agents.core.events import ToolSucceeded
from agents.core.messages import Assurance, IncomingMessage, Provenance
from agents.core.policy import ApprovalTerms, Policy
from agents.core.requests import Answer
from agents.core.state import ThreadState
from agents.core.steps import CallTool, DoneForNow
from agents.core.tools import ToolContext, ToolResult, tool
from agents.core.values import Address
from agents.llm.base import ModelRequest, OnPartialReply
from bot.bootstrap import Bot, bootstrap
from bot.services.engine import CommitResult
from bot.services.roster import Roster
from bot.services.threads import NewThread
from storage.database.database import Database, create_database_engine
from storage.database.schema import migrate
from storage.database.sqlite import sqlite_path
from tests.harness.channels import channels_by_scheme
from tests.harness.people import ALICE, BOB, PEOPLE

CONCURRENT_CLIENTS = 16
"""Number of round trips in progress at once, where round trips are concurrent."""
TERMINAL = Address("terminal:alice")


@tool(effect="idempotent", risk="high", ask=ApprovalTerms(roles=("release",)))
def ship(context: ToolContext, tag: str) -> ToolResult:
    """Ship a tag."""
    return ToolResult(summary=f"shipped {tag}", data={"tag": tag})


class InstantModel:
    """Model that ships the tag, then replies."""

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        last = model_request.state.history[-1]
        if isinstance(last, ToolSucceeded):
            step: CallTool | DoneForNow = DoneForNow(message=f"Done: {last.summary}.")
        else:
            step = CallTool(tool="ship", arguments={"tag": "v1.2.3"})
        return Completion(outcome=CompletionOutcome.OK, model="instant", step=step, reasoning="It was asked for.")


@dataclass
class LoadGenerator:
    """Sends messages as a requester, and approves at once as an approver. Records commits and response times."""

    bot: Bot
    commits: int = 0
    accept_seconds: list[float] = field(default_factory=list)
    _latest: dict[str, ThreadState] = field(default_factory=dict)
    _waiters: dict[str, tuple[Callable[[ThreadState], bool], asyncio.Future[ThreadState]]] = field(default_factory=dict)

    def on_commit(self, commit: CommitResult) -> None:
        self.commits += 1
        known = self._latest.get(commit.after.thread_id)
        if known is None or known.version < commit.after.version:  # commits may arrive out of order
            self._latest[commit.after.thread_id] = commit.after
        waiter = self._waiters.get(commit.after.thread_id)
        if waiter is not None and not waiter[1].done() and waiter[0](commit.after):
            waiter[1].set_result(commit.after)

    async def round_trip(self, thread_id: str | None = None) -> str:
        """Run one round trip in a new or an existing thread, and return the id of the thread."""
        thread_id = await self._post_message(thread_id)
        state = await self._wait_until(
            thread_id, lambda state: state.open_request is not None and bool(state.open_request.cards)
        )
        if state.open_request is None:
            raise AssertionError(thread_id)
        await self._approve(state.open_request.id)
        await self._wait_until(thread_id, lambda state: state.lifecycle == "done" and not state.pending_messages)
        return thread_id

    async def _approve(self, request_id: str) -> None:
        answer = Answer(by=BOB, channel=Address("terminal:bob"), assurance=Assurance.MEDIUM, decision="approve")
        await self.bot.approvals.answer(request_id, answer)

    async def _post_message(self, thread_id: str | None) -> str:
        started_at = time.perf_counter()
        message = IncomingMessage(
            text="ship v1.2.3 please, it is tested",
            by=ALICE,
            source=TERMINAL,
            provenance=Provenance.VERIFIED_PERSON,
            at=self.bot.clock.now(),
        )
        if thread_id is None:
            commit = await self.bot.threads.open(NewThread(message=message, requester=ALICE, origin=TERMINAL))
        else:
            commit = await self.bot.threads.post_message(thread_id, message)
        self.accept_seconds.append(time.perf_counter() - started_at)
        return commit.after.thread_id

    async def _wait_until(self, thread_id: str, condition: Callable[[ThreadState], bool]) -> ThreadState:
        future: asyncio.Future[ThreadState] = asyncio.get_running_loop().create_future()
        self._waiters[thread_id] = (condition, future)
        state = self._latest[thread_id]
        return state if condition(state) else await future


async def start_load_generator(url: str) -> LoadGenerator:
    """Start a bot on a new database, and return a load generator for it."""
    engine = create_database_engine(url)
    migrate(engine)
    engine.dispose()
    agent = Agent(name="ship", purpose="ships", instructions="Ship what is asked for.", tools=(ship,))
    bot = bootstrap(
        Database.open(url), Roster({"ship": agent}, Policy(people=PEOPLE)), InstantModel(), channels_by_scheme()
    )
    generator = LoadGenerator(bot)
    bot.engine.listeners.append(generator.on_commit)
    await bot.start()
    return generator


async def run_serially(generator: LoadGenerator, trips: int) -> float:
    """Run round trips one after the other, and return their number per second."""
    started_at = time.perf_counter()
    for _ in range(trips):
        await generator.round_trip()
    return trips / (time.perf_counter() - started_at)


async def run_concurrently(generator: LoadGenerator, trips: int) -> float:
    """Run round trips, CONCURRENT_CLIENTS at once, and return their number per second."""

    async def run_client() -> None:
        for _ in range(trips // CONCURRENT_CLIENTS):
            await generator.round_trip()

    started_at = time.perf_counter()
    await asyncio.gather(*(run_client() for _ in range(CONCURRENT_CLIENTS)))
    return trips // CONCURRENT_CLIENTS * CONCURRENT_CLIENTS / (time.perf_counter() - started_at)


async def measure_long_thread(generator: LoadGenerator, thread_trips: int) -> tuple[float, float]:
    """Return the median seconds of the first 50 and of the last 50 round trips of one thread."""
    thread_id, durations = await generator.round_trip(), []
    for _ in range(thread_trips):
        started_at = time.perf_counter()
        await generator.round_trip(thread_id)
        durations.append(time.perf_counter() - started_at)
    return statistics.median(durations[:50]), statistics.median(durations[-50:])


def database_bytes(url: str) -> int:
    """Return the size of the database file in bytes after a checkpoint."""
    engine = create_database_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return sqlite_path(url).stat().st_size


def measure_raw_commits(folder: Path, commits: int = 2000) -> float:
    """Return commits per second of one small row each, with the same database settings."""
    engine = create_database_engine(f"sqlite:///{folder / 'raw.db'}")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE row (number INTEGER, text TEXT)")
        connection.commit()
        sqlite_connection = connection.connection.driver_connection
        if sqlite_connection is None:
            raise AssertionError("no connection")
        started_at = time.perf_counter()
        for number in range(commits):
            sqlite_connection.execute("BEGIN IMMEDIATE")
            sqlite_connection.execute("INSERT INTO row VALUES (?, ?)", (number, "x" * 300))
            sqlite_connection.execute("COMMIT")
        rate = commits / (time.perf_counter() - started_at)
    engine.dispose()
    return rate


async def measure(folder: Path, trips: int, thread_trips: int) -> None:
    """Run all measurements and print the figures."""
    raw = measure_raw_commits(folder)
    generator = await start_load_generator(f"sqlite:///{folder / 'many.db'}")
    await run_serially(generator, 30)
    generator.commits, generator.accept_seconds = 0, []
    serial = await run_serially(generator, trips)
    commits = generator.commits / trips
    parallel = await run_concurrently(generator, trips)
    accepted = statistics.quantiles(generator.accept_seconds, n=100)[98]
    await generator.bot.stop()
    url = f"sqlite:///{folder / 'long.db'}"
    generator = await start_load_generator(url)
    first, last = await measure_long_thread(generator, thread_trips)
    await generator.bot.stop()
    print(f"raw commits                   {raw:8.0f} /s")
    print(f"commits per round trip        {commits:8.1f}")
    print(f"round trips, serial           {serial:8.1f} /s   1 per {raw / serial:.0f} raw commits")
    print(
        f"round trips, {CONCURRENT_CLIENTS} concurrent    {parallel:8.1f} /s   1 per {raw / parallel:.0f} raw commits"
    )
    print(f"accepting a message, p99      {accepted * 1000:8.1f} ms")
    print(f"last 50 against the first 50  {last / first:8.2f} times ({first * 1000:.1f} ms, {last * 1000:.1f} ms)")
    print(f"stored per round trip         {database_bytes(url) / (thread_trips + 1):8.0f} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trips", type=int, default=400)
    parser.add_argument("--thread-trips", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), options.trips, options.thread_trips))


if __name__ == "__main__":
    main()
