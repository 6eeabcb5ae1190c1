"""A worker that stalls after recording ToolStarted reads the log again before it runs the tool."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agents.core.steps import DoneForNow
from bot.execution.embedded import EmbeddedBackend
from bot.execution.tools.limits import MAX_OS_THREADS
from bot.execution.tools.runner import LEASE_SECONDS, Lease, LeaseExpired
from storage.database.database import Database
from tests.fakes.scripted_model import ScriptedModel
from tests.harness import bot as bot_harness
from tests.harness.bot import BotHarness
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS
from tests.harness.tools import ToolCallRecorder

DONE = DoneForNow(message="Done.")


@contextmanager
def occupied_os_threads(harness: BotHarness) -> Iterator[None]:
    """Occupy all OS threads for tools, so that tools started within the block run only after it."""
    release = threading.Event()
    for _ in range(MAX_OS_THREADS):
        harness.bot.tool_runner.thread_pool.executor.submit(release.wait, WAIT_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        release.set()


async def wait_until_started(harness: BotHarness, thread_id: str, attempt: int = 1) -> None:
    await harness.wait_until(
        thread_id,
        lambda state: (
            state.current_call is not None
            and (state.current_call.phase, state.current_call.attempt) == ("running", attempt)
        ),
    )


async def wait_until_idle(harness: BotHarness) -> None:
    """Wait until the worker continues no thread."""
    assert isinstance(harness.bot.backend, EmbeddedBackend)
    await asyncio.wait(harness.bot.backend.worker._tasks.values(), timeout=WAIT_TIMEOUT_SECONDS)
    assert not harness.bot.backend.worker._tasks


def test_lease_expires_after_its_duration() -> None:
    time = 100.0
    lease = Lease(lambda: time, acquired_at=100.0)
    time += LEASE_SECONDS
    lease.check()
    time += 0.001
    with pytest.raises(LeaseExpired):
        lease.check()


@pytest.mark.parametrize("intent", ["look", "move", "pay"])
async def test_stalled_call_that_was_taken_over_does_not_run(postgres_url: str, intent) -> None:
    tools = ToolCallRecorder()
    async with bot_harness.running_bot(
        Database.open(postgres_url), ScriptedModel({"intent": intent}), tool_call_recorder=tools
    ) as stalled:
        with occupied_os_threads(stalled):
            thread_id = await stalled.post_message("go")
            await wait_until_started(stalled, thread_id)
            async with bot_harness.running_bot(
                Database.open(postgres_url), ScriptedModel(DONE), tool_call_recorder=tools, id_prefix="b"
            ) as successor:
                if intent == "pay":
                    request = await successor.wait_for_request(thread_id)
                    await successor.answer_request(request, "answer", text="did not run")
                await successor.wait_until_done(thread_id)
                events, runs = await successor.event_types(thread_id), list(tools.runs)
            stalled.clock.advance(seconds=LEASE_SECONDS + 1)
        await wait_until_idle(stalled)
        assert (await stalled.event_types(thread_id), tools.runs) == (events, runs)
    assert len(runs) == (0 if intent == "pay" else 1)


async def test_stalled_call_that_was_not_taken_over_runs(database: Database, running_bot) -> None:
    """A message that arrived in the meantime makes no difference."""
    tools = ToolCallRecorder()
    async with running_bot(database, ScriptedModel({"intent": "pay"}, DONE), tool_call_recorder=tools) as harness:
        with occupied_os_threads(harness):
            thread_id = await harness.post_message("pay")
            await wait_until_started(harness, thread_id)
            await harness.post_message("thank you", thread_id=thread_id)
            harness.clock.advance(seconds=LEASE_SECONDS + 1)
        await harness.wait_until_done(thread_id)
        assert [action for _, action in tools.runs] == ["pay"]
        assert (await harness.event_types(thread_id)).count("ToolStarted") == 1
