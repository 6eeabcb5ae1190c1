"""Pause, resume, cancel, fork: each does one thing, and says so when it cannot."""

import threading

import pytest

from agents.addresses import person_address
from agents.errors import AlreadySettled, InvalidInput, ThreadNotFound, WrongState
from agents.events import ThreadPaused
from agents.steps import DoneForNow
from storage.database import Database
from storage.event_store import PAGE_SIZE
from tests.bot_harness import RecordingTools
from tests.fakes.scripted_model import ScriptedModel

BOB = person_address("bob")
SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")


async def test_a_paused_thread_starts_nothing_and_resumed_goes_back_to_what_it_waited_for(
    database: Database, running_bot
) -> None:
    async with running_bot(database, ScriptedModel(SHIP, DONE)) as harness:
        thread = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread)
        await harness.bot.thread_control.pause(thread, BOB)
        await harness.answer_request(request, "approve")
        await harness.wait_until(thread, lambda s: s.status == "paused" and not s.pending_messages)
        assert harness.recording_tools.runs == []
        await harness.bot.thread_control.resume(thread, BOB)
        await harness.wait_until_settled(thread)
        assert len(harness.recording_tools.runs) == 1


async def test_resuming_before_the_answer_waits_for_people_again(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(SHIP)) as harness:
        thread = await harness.post_message("ship v1")
        await harness.wait_for_request(thread)
        await harness.bot.thread_control.pause(thread, BOB)
        assert (await harness.bot.thread_control.resume(thread, BOB)).after.status == "waiting_for_human"


async def test_orders_that_make_no_sense_are_refused_with_the_status(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(SHIP)) as harness:
        thread = await harness.post_message("ship v1")
        await harness.wait_for_request(thread)
        steering = harness.bot.thread_control
        with pytest.raises(WrongState, match="waiting_for_human"):
            await steering.resume(thread, BOB)
        await steering.pause(thread, BOB)
        with pytest.raises(WrongState, match="is paused"):
            await steering.pause(thread, BOB)
        await steering.cancel(thread, BOB)
        for order in (steering.pause, steering.resume, steering.cancel):
            with pytest.raises(WrongState, match="is cancelled") as refused:
                await order(thread, BOB)
            assert refused.value.details == {"status": "cancelled"}
        with pytest.raises(ThreadNotFound):
            await steering.pause("thr_none", BOB)
        with pytest.raises(WrongState, match="open a new one"):
            await harness.post_message("hello?", thread_id=thread)


async def test_cancelling_closes_the_open_request_as_cancelled_and_corrects_its_card(
    database: Database, running_bot
) -> None:
    async with running_bot(database, ScriptedModel(SHIP)) as harness:
        thread = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread)
        await harness.bot.thread_control.cancel(thread, BOB)
        await harness.wait_until_settled(thread, "cancelled")
        settled = await harness.bot.approvals.find_request(request.id)
        assert (settled.status, settled.cards[0].state) == ("cancelled", "cancelled")
        with pytest.raises(AlreadySettled, match="cancelled with its thread"):
            await harness.answer_request(request, "approve")


async def test_cancelling_while_a_tool_runs_waits_for_its_outcome_and_then_stops(
    database: Database, running_bot
) -> None:
    class Slow(RecordingTools):
        begun, released = threading.Event(), threading.Event()

        def run(self, key: str, action: str):
            self.begun.set()
            self.released.wait(20)
            return super().run(key, action)

    recording_tools = Slow()
    async with running_bot(database, ScriptedModel({"intent": "look"}), recording_tools=recording_tools) as harness:
        thread = await harness.post_message("look")
        await harness.wait_until(thread, lambda s: s.current_call is not None and s.current_call.phase == "running")
        await harness.bot.thread_control.cancel(thread, BOB)
        recording_tools.released.set()
        await harness.wait_until(thread, lambda s: s.current_call is None)
        assert (await harness.event_types(thread))[-1] == "ToolSucceeded"
        assert (await harness.bot.engine.load(thread)).status == "cancelled"


async def test_a_fork_has_the_events_but_nothing_in_flight_and_leaves_its_parent_alone(
    database: Database, running_bot
) -> None:
    async with running_bot(database, ScriptedModel(SHIP, DoneForNow(message="In the fork."))) as harness:
        thread = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread)
        at = (await harness.bot.engine.load(thread)).version
        fork = (await harness.bot.thread_control.fork(thread, at, BOB)).after
        assert fork.thread_id != thread
        assert (fork.open_request, fork.current_call, fork.version) == (None, None, at + 1)
        assert (await harness.event_types(fork.thread_id))[:-1] == (await harness.event_types(thread))
        await harness.post_message("carry on", thread_id=fork.thread_id)
        await harness.wait_until_settled(fork.thread_id)
        await harness.check_replay(fork.thread_id)
        assert (await harness.bot.approvals.find_request(request.id)).status == "open"
        assert (await harness.bot.engine.load(thread)).status == "waiting_for_human"


@pytest.mark.parametrize("at", [0, -1, 99])
async def test_a_fork_at_a_place_that_is_not_there_is_refused(database: Database, at, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE)) as harness:
        thread = await harness.post_message("hello")
        await harness.wait_until_settled(thread)
        with pytest.raises(InvalidInput, match="fork it at one of them"):
            await harness.bot.thread_control.fork(thread, at, BOB)


async def test_a_fork_of_a_long_thread_is_complete_and_seen_by_nobody_before(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE)) as harness:
        thread = await harness.post_message("hello")
        await harness.wait_until_settled(thread)
        paused = ThreadPaused(at=harness.clock.now(), actor=BOB, reason="one of many")
        state = (await harness.bot.engine.apply(thread, lambda _: [paused] * (2 * PAGE_SIZE))).after
        at, known = state.version - 1, {thread}
        harness.bot.engine.listeners.append(lambda recorded: known.add(recorded.after.thread_id))
        fork = (await harness.bot.thread_control.fork(thread, at, BOB)).after
        assert known == {thread, fork.thread_id}
        assert (fork.version, fork.status, fork.pending_messages) == (at + 1, "done", ())
        assert (await harness.events(fork.thread_id))[:-1] == (await harness.events(thread))[:at]
        await harness.check_replay(fork.thread_id)
