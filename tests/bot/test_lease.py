"""Whoever said that a tool starts, and was frozen before it did, looks again before it goes on."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agents.steps import DoneForNow
from bot.embedded_backend import EmbeddedBackend
from bot.lease import LEASE_SECONDS, Lease, LeaseExpired
from bot.tool_thread_pool import MAX_THREADS
from storage.database import Database
from tests import bot_harness
from tests.bot_harness import WAIT_TIMEOUT_SECONDS, BotHarness, RecordingTools
from tests.fakes.scripted_model import ScriptedModel

DONE = DoneForNow(message="Done.")


@contextmanager
def frozen(home: BotHarness) -> Iterator[None]:
    """Whatever starts in the block does not begin before its end."""
    thaw = threading.Event()
    for _ in range(MAX_THREADS):
        home.bot.tool_runner.thread_pool.executor.submit(thaw.wait, WAIT_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        thaw.set()


async def started(home: BotHarness, thread: str, attempt: int = 1) -> None:
    await home.wait_until(
        thread,
        lambda s: s.current_call is not None and (s.current_call.phase, s.current_call.attempt) == ("running", attempt),
    )


async def has_come_to_an_end(home: BotHarness) -> None:
    """Nothing runs there any more."""
    assert isinstance(home.bot.backend, EmbeddedBackend)
    await asyncio.wait(home.bot.backend.worker._tasks.values(), timeout=WAIT_TIMEOUT_SECONDS)
    assert not home.bot.backend.worker._tasks


def test_it_is_shut_when_the_margin_is_over_and_not_before() -> None:
    time = 100.0
    fence = Lease(lambda: time, acquired_at=100.0)
    time += LEASE_SECONDS
    fence.check()
    time += 0.001
    with pytest.raises(LeaseExpired):
        fence.check()


@pytest.mark.parametrize("intent", ["look", "move", "pay"])
async def test_a_tool_that_begins_late_and_was_taken_over_does_not_run_again(postgres_url: str, intent) -> None:
    workshop = RecordingTools()
    async with bot_harness.running_bot(
        Database.open(postgres_url), ScriptedModel({"intent": intent}), recording_tools=workshop
    ) as zombie:
        with frozen(zombie):
            thread = await zombie.post_message("go")
            await started(zombie, thread)
            async with bot_harness.running_bot(
                Database.open(postgres_url), ScriptedModel(DONE), recording_tools=workshop, run="b"
            ) as heir:
                if intent == "pay":
                    await heir.answer_request(await heir.wait_for_request(thread), "answer", text="did not run")
                await heir.wait_until_settled(thread)
                before, done = await heir.event_types(thread), list(workshop.runs)
            zombie.clock.advance(seconds=LEASE_SECONDS + 1)
        await has_come_to_an_end(zombie)
        assert (await zombie.event_types(thread), workshop.runs) == (before, done)
    assert len(done) == (0 if intent == "pay" else 1)


async def test_a_tool_that_begins_late_runs_when_nobody_else_has_started_it(database: Database, running_bot) -> None:
    """Whatever people have said meanwhile."""
    workshop = RecordingTools()
    async with running_bot(database, ScriptedModel({"intent": "pay"}, DONE), recording_tools=workshop) as home:
        with frozen(home):
            thread = await home.post_message("pay")
            await started(home, thread)
            await home.post_message("thank you", thread_id=thread)
            home.clock.advance(seconds=LEASE_SECONDS + 1)
        await home.wait_until_settled(thread)
        assert [what for _, what in workshop.runs] == ["pay"]
        assert (await home.event_types(thread)).count("ToolStarted") == 1
