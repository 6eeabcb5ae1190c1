"""Whoever said that a tool starts, and was frozen before it did, looks again before it goes on."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agents.steps import DoneForNow
from bot.embedded import Embedded
from bot.fence import MARGIN, Fence, Late
from bot.tool_threads import MAX_THREADS
from storage.database import Database
from tests import houses
from tests.fakes.scripted import ScriptedModel
from tests.houses import PATIENCE, House, Workshop

DONE = DoneForNow(message="Done.")


@contextmanager
def frozen(home: House) -> Iterator[None]:
    """Whatever starts in the block does not begin before its end."""
    thaw = threading.Event()
    for _ in range(MAX_THREADS):
        home.bot.runner.threads.executor.submit(thaw.wait, PATIENCE)
    try:
        yield
    finally:
        thaw.set()


async def started(home: House, thread: str, attempt: int = 1) -> None:
    await home.until(thread, lambda s: s.call is not None and (s.call.phase, s.call.attempt) == ("started", attempt))


async def has_come_to_an_end(home: House) -> None:
    """Nothing runs there any more."""
    assert isinstance(home.bot.wakeups, Embedded)
    await asyncio.wait(home.bot.wakeups.worker._tasks.values(), timeout=PATIENCE)
    assert not home.bot.wakeups.worker._tasks


def test_it_is_shut_when_the_margin_is_over_and_not_before() -> None:
    time = 100.0
    fence = Fence(lambda: time, known=100.0)
    time += MARGIN
    fence.pass_through()
    time += 0.001
    with pytest.raises(Late):
        fence.pass_through()


@pytest.mark.parametrize("intent", ["look", "move", "pay"])
async def test_a_tool_that_begins_late_and_was_taken_over_does_not_run_again(postgres_url: str, intent) -> None:
    workshop = Workshop()
    async with houses.house(
        Database.open(postgres_url), ScriptedModel({"intent": intent}), workshop=workshop
    ) as zombie:
        with frozen(zombie):
            thread = await zombie.says("go")
            await started(zombie, thread)
            async with houses.house(
                Database.open(postgres_url), ScriptedModel(DONE), workshop=workshop, run="b"
            ) as heir:
                if intent == "pay":
                    await heir.answers(await heir.asked(thread), "answer", text="did not run")
                await heir.at_rest(thread)
                before, done = await heir.story(thread), list(workshop.done)
            zombie.clock.advance(seconds=MARGIN + 1)
        await has_come_to_an_end(zombie)
        assert (await zombie.story(thread), workshop.done) == (before, done)
    assert len(done) == (0 if intent == "pay" else 1)


async def test_a_tool_that_begins_late_runs_when_nobody_else_has_started_it(database: Database, house) -> None:
    """Whatever people have said meanwhile."""
    workshop = Workshop()
    async with house(database, ScriptedModel({"intent": "pay"}, DONE), workshop=workshop) as home:
        with frozen(home):
            thread = await home.says("pay")
            await started(home, thread)
            await home.says("thank you", thread=thread)
            home.clock.advance(seconds=MARGIN + 1)
        await home.at_rest(thread)
        assert [what for _, what in workshop.done] == ["pay"]
        assert (await home.story(thread)).count("ToolStarted") == 1
