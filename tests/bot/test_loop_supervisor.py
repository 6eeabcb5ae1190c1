"""Background loops go on after any exception, which is logged with its traceback and counted."""

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
from bot.ids import Clock
from bot.log import configure_logging
from bot.loop_supervisor import LoopSupervisor
from storage.database import Database
from tests.bot.conftest import BotSetup
from tests.bot_harness import WAIT_TIMEOUT_SECONDS
from tests.fakes.clock import FakeClock
from tests.fakes.scripted_model import ScriptedModel

OURS = tuple(str(Path(bot.__file__).parents[1] / name) for name in ("bot", "channels", "storage"))
ALONE = {"clock", "housekeeping"}
SHARED = {"jobs of advance", "jobs of deliver", "jobs of timer", "stalled jobs", "follow"}
"""The sweep is stopped in a house, so that it hides nothing."""


class Bug(Exception):
    """What no loop expects."""


@dataclass
class FailingLoop:
    """A loop that raises so often before it waits for ever."""

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
def lines() -> Iterator[StringIO]:
    root, ours = logging.getLogger(), logging.getLogger("handrail")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    stream = StringIO()
    configure_logging("info", "json", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def loops_of(clock: FakeClock) -> LoopSupervisor:
    return LoopSupervisor(Clock(now=clock.now, monotonic=clock.monotonic, jitter=lambda: 1.0), clock.sleep)


async def until(reached: Callable[[], object], clock: FakeClock) -> None:
    """Turn the clock on until it is reached."""
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while not reached():
            await asyncio.sleep(0)
            clock.advance(seconds=1)


async def test_a_loop_that_raises_is_logged_counted_and_run_again(lines: StringIO) -> None:
    clock, faulty = FakeClock(), FailingLoop(times=3)
    loops = loops_of(clock)
    task = loops.start("faulty", faulty.run)
    await until(faulty.is_waiting.is_set, clock)
    assert loops.failure_counts == {"faulty": 3}
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [(line["action"], line["loop"], line["error"], line["count"]) for line in told] == [
        ("loop_failed", "faulty", "Bug", count) for count in (1, 2, 3)
    ]
    assert all("bot/test_loops.py" in line["traceback"] and "run" in line["traceback"] for line in told)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert loops.running_loops == {}


async def test_a_loop_that_raises_again_and_again_never_rests_for_five_seconds() -> None:
    clock, faulty, rests = FakeClock(), FailingLoop(times=20), list[float]()

    async def sleep(at: datetime | None, _bell: asyncio.Event) -> None:
        assert at is not None
        rests.append((at - clock.now()).total_seconds())

    task = LoopSupervisor(Clock(now=clock.now, monotonic=clock.monotonic, jitter=lambda: 1.0), sleep).start(
        "faulty", faulty.run
    )
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        await faulty.is_waiting.wait()
    assert rests[:4] == [1, 2, 4, 4]
    assert max(rests) < 5
    task.cancel()


async def test_every_background_loop_of_a_bot_goes_on_after_an_exception(
    database: Database, running_bot, set_up: BotSetup
) -> None:
    """The future each of them waits for fails once, whatever it is."""
    async with running_bot(database, ScriptedModel()) as home:
        loops, expected = home.bot.supervisor, SHARED if set_up.has_job_queue else ALONE
        await until(lambda: set(loops.running_loops) == expected, home.clock)
        found = {task.get_name(): task for task in asyncio.all_tasks() if task.get_name() in loops.running_loops}
        assert set(found) == expected
        for name, task in found.items():
            await until(partial(fails_with, failing_task(task), Bug()), home.clock)
            await until(lambda name=name: loops.failure_counts[name] and name in loops.running_loops, home.clock)
            await until(partial(is_waiting, task), home.clock)
        assert set(loops.failure_counts) == set(found)
        assert not any(task.done() for task in found.values())


def failing_task(task: asyncio.Task[None]) -> asyncio.Task[None]:
    """Return the task in which a failure of this loop begins: Procrastinate shields its own from cancellation."""
    return next((frame.f_locals["loop_task"] for frame in frames(task) if "loop_task" in frame.f_locals), task)


def is_waiting(task: asyncio.Task[None]) -> bool:
    """Whether it waits for a future; one in the middle of a driver would leave a broken pool behind."""
    waiter = task._fut_waiter  # type: ignore[attr-defined]  # what the task waits for just now
    return waiter is not None and not waiter.done() and not any("psycopg" in place for place in places(task))


def places(task: asyncio.Task[None]) -> Iterator[str]:
    """Yield the file of each call that is under way in the task."""
    return (frame.f_code.co_filename for frame in frames(task))


def frames(task: asyncio.Task[None]) -> Iterator[FrameType]:
    """Yield the frame of each call that is under way in the task, the outermost first."""
    under_way: Any = task.get_coro()
    while under_way is not None:
        frame = getattr(under_way, "cr_frame", None) or getattr(under_way, "ag_frame", None)
        if frame is not None:
            yield frame
        under_way = getattr(under_way, "cr_await", None) or getattr(under_way, "ag_await", None)


def fails_with(task: asyncio.Task[None], error: Exception) -> bool:
    """Whether the task waited for something that could be made to fail."""
    if not is_waiting(task):
        return False
    task._fut_waiter.set_exception(error)  # type: ignore[attr-defined]  # the same
    return True


async def test_nothing_of_a_bot_runs_in_the_background_but_what_is_kept_running(
    database: Database, running_bot
) -> None:
    before = asyncio.all_tasks()
    async with running_bot(database, ScriptedModel()) as home:
        await until(
            lambda: "clock" in home.bot.supervisor.running_loops or set(home.bot.supervisor.running_loops) >= SHARED,
            home.clock,
        )
        ours = [task for task in asyncio.all_tasks() - before if task.get_coro().cr_code.co_filename.startswith(OURS)]
        assert {task.get_name() for task in ours} - set(home.bot.supervisor.running_loops) <= {"sweep"}
