"""Background loops continue after any exception, which is logged with its traceback and counted."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import bot
from bot.log import configure_logging
from bot.services.ids import Clock
from bot.services.retry import LoopSupervisor
from storage.database.database import Database
from tests.bot.conftest import BotSetup
from tests.fakes.clock import FakeClock
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

PRODUCT_FOLDERS = tuple(str(Path(bot.__file__).parents[1] / name) for name in ("bot", "channels", "storage"))
EMBEDDED_LOOPS = {"timers", "cleanup"}
QUEUE_LOOPS = {"jobs of advance", "jobs of deliver", "jobs of timer", "stalled jobs", "follow"}
"""Loops of a bot with a job queue. The harness stops the sweep, which would hide lost wake-ups."""


class Bug(Exception):
    """Exception that no loop handles."""


@dataclass
class FailingLoop:
    """A loop that raises `times` times, then waits for ever."""

    times: int
    runs: int = 0
    is_waiting: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        self.runs += 1
        if self.runs <= self.times:
            raise Bug
        self.is_waiting.set()
        await asyncio.Event().wait()


@pytest.fixture
def log_output() -> Iterator[StringIO]:
    root, own = logging.getLogger(), logging.getLogger("handrail")
    handlers, levels = root.handlers[:], (root.level, own.level)
    stream = StringIO()
    configure_logging("info", "json", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    own.setLevel(levels[1])


def create_supervisor(clock: FakeClock) -> LoopSupervisor:
    return LoopSupervisor(Clock(now=clock.now, monotonic=clock.monotonic, jitter=lambda: 1.0), clock.sleep)


async def advance_until(condition: Callable[[], object], clock: FakeClock) -> None:
    """Advance the clock until the condition holds."""
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while not condition():
            await asyncio.sleep(0)
            clock.advance(seconds=1)


async def test_failing_loop_is_logged_counted_and_run_again(log_output: StringIO) -> None:
    clock, failing = FakeClock(), FailingLoop(times=3)
    supervisor = create_supervisor(clock)
    task = supervisor.start("faulty", failing.run)
    await advance_until(failing.is_waiting.is_set, clock)
    assert supervisor.failure_counts == {"faulty": 3}
    lines = [json.loads(line) for line in log_output.getvalue().splitlines()]
    assert [(line["action"], line["loop"], line["error"], line["count"]) for line in lines] == [
        ("loop_failed", "faulty", "Bug", count) for count in (1, 2, 3)
    ]
    assert all("services/test_loop_supervisor.py" in line["traceback"] and "run" in line["traceback"] for line in lines)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert supervisor.running_loops == {}


async def test_back_off_of_a_failing_loop_stays_below_five_seconds() -> None:
    clock, failing, delays = FakeClock(), FailingLoop(times=20), list[float]()

    async def sleep(at: datetime | None, _wake_event: asyncio.Event) -> None:
        assert at is not None
        delays.append((at - clock.now()).total_seconds())

    task = LoopSupervisor(Clock(now=clock.now, monotonic=clock.monotonic, jitter=lambda: 1.0), sleep).start(
        "faulty", failing.run
    )
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        await failing.is_waiting.wait()
    assert delays[:4] == [1, 2, 4, 4]
    assert max(delays) < 5
    task.cancel()


async def test_each_background_loop_of_a_bot_continues_after_an_exception(
    database: Database, running_bot, bot_setup: BotSetup
) -> None:
    """The future for which each loop waits fails once."""
    async with running_bot(database, ScriptedModel()) as harness:
        supervisor, expected = harness.bot.supervisor, QUEUE_LOOPS if bot_setup.has_job_queue else EMBEDDED_LOOPS
        await advance_until(lambda: set(supervisor.running_loops) == expected, harness.clock)
        tasks = {task.get_name(): task for task in asyncio.all_tasks() if task.get_name() in supervisor.running_loops}
        assert set(tasks) == expected
        for name, task in tasks.items():
            await advance_until(partial(try_to_fail, find_inner_task(task), Bug()), harness.clock)
            await advance_until(
                lambda name=name: supervisor.failure_counts[name] and name in supervisor.running_loops, harness.clock
            )
            await advance_until(partial(is_waiting, task), harness.clock)
        assert set(supervisor.failure_counts) == set(tasks)
        assert not any(task.done() for task in tasks.values())


def find_inner_task(task: asyncio.Task[None]) -> asyncio.Task[None]:
    """Return the task in which a failure of this loop begins: Procrastinate shields its own from cancellation."""
    return next((frame.f_locals["loop_task"] for frame in iter_frames(task) if "loop_task" in frame.f_locals), task)


def is_waiting(task: asyncio.Task[None]) -> bool:
    """Return whether the task waits for a future outside psycopg, where a failure would break the connection pool."""
    waiter = task._fut_waiter  # type: ignore[attr-defined]  # the future that the task awaits
    return waiter is not None and not waiter.done() and not any("psycopg" in file for file in iter_source_files(task))


def iter_source_files(task: asyncio.Task[None]) -> Iterator[str]:
    """Yield the file of each active call in the task."""
    return (frame.f_code.co_filename for frame in iter_frames(task))


def iter_frames(task: asyncio.Task[None]) -> Iterator[FrameType]:
    """Yield the frame of each active call in the task, the outermost first."""
    awaitable: Any = task.get_coro()
    while awaitable is not None:
        frame = getattr(awaitable, "cr_frame", None) or getattr(awaitable, "ag_frame", None)
        if frame is not None:
            yield frame
        awaitable = getattr(awaitable, "cr_await", None) or getattr(awaitable, "ag_await", None)


def try_to_fail(task: asyncio.Task[None], error: Exception) -> bool:
    """Fail the future for which the task waits. Return whether there was one."""
    if not is_waiting(task):
        return False
    task._fut_waiter.set_exception(error)  # type: ignore[attr-defined]  # as above
    return True


async def test_all_background_tasks_of_a_bot_are_supervised(database: Database, running_bot) -> None:
    before = asyncio.all_tasks()
    async with running_bot(database, ScriptedModel()) as harness:
        running = harness.bot.supervisor.running_loops
        await advance_until(lambda: "timers" in running or set(running) >= QUEUE_LOOPS, harness.clock)
        own_tasks = [
            task
            for task in asyncio.all_tasks() - before
            if task.get_coro().cr_code.co_filename.startswith(PRODUCT_FOLDERS)
        ]
        assert {task.get_name() for task in own_tasks} - set(running) <= {"sweep"}
