"""Tests of pause, resume, cancel and fork."""

import threading

import pytest

from agents.core.errors import AlreadySettled, InvalidInput, ThreadNotFound, WrongState
from agents.core.events import ThreadPaused
from agents.core.steps import DoneForNow
from agents.core.values import person_address
from storage.database.database import Database
from storage.event_store import PAGE_SIZE
from tests.bot.conftest import on_every_setup
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.tools import ToolCallRecorder

BOB = person_address("bob")
SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")


@on_every_setup
async def test_paused_thread_starts_nothing_until_resumed(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(SHIP, DONE)) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        await harness.bot.thread_control.pause(thread_id, BOB)
        await harness.answer_request(request, "approve")
        await harness.wait_until(thread_id, lambda state: state.status == "paused" and not state.pending_messages)
        assert harness.tool_call_recorder.runs == []
        await harness.bot.thread_control.resume(thread_id, BOB)
        await harness.wait_until_done(thread_id)
        assert len(harness.tool_call_recorder.runs) == 1


async def test_resumed_thread_waits_for_the_answer_again(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(SHIP)) as harness:
        thread_id = await harness.post_message("ship v1")
        await harness.wait_for_request(thread_id)
        await harness.bot.thread_control.pause(thread_id, BOB)
        assert (await harness.bot.thread_control.resume(thread_id, BOB)).after.status == "waiting_for_human"


async def test_refuses_actions_that_the_status_does_not_allow(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(SHIP)) as harness:
        thread_id = await harness.post_message("ship v1")
        await harness.wait_for_request(thread_id)
        control = harness.bot.thread_control
        with pytest.raises(WrongState, match="is waiting_for_human: it waits for the answer to its request"):
            await control.resume(thread_id, BOB)
        await control.pause(thread_id, BOB)
        with pytest.raises(WrongState, match="is paused"):
            await control.pause(thread_id, BOB)
        await control.cancel(thread_id, BOB)
        for action in (control.pause, control.resume, control.cancel):
            with pytest.raises(WrongState, match="is cancelled") as raised:
                await action(thread_id, BOB)
            assert raised.value.details == {"status": "cancelled"}
        with pytest.raises(ThreadNotFound):
            await control.pause("thr_none", BOB)
        with pytest.raises(WrongState, match="open a new one"):
            await harness.post_message("hello?", thread_id=thread_id)


@on_every_setup
async def test_cancel_closes_the_open_request_and_updates_its_card(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(SHIP)) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        await harness.bot.thread_control.cancel(thread_id, BOB)
        await harness.wait_for_status(thread_id, "cancelled")
        closed_request = await harness.bot.approvals.find_request(request.id)
        assert (closed_request.status, closed_request.cards[0].state) == ("cancelled", "cancelled")
        with pytest.raises(AlreadySettled, match="cancelled with its thread"):
            await harness.answer_request(request, "approve")


async def test_cancel_waits_for_the_outcome_of_a_running_tool(database: Database, running_bot) -> None:
    class BlockingRecorder(ToolCallRecorder):
        may_return = threading.Event()

        def run(self, key: str, action: str):
            self.may_return.wait(20)
            return super().run(key, action)

    tool_call_recorder = BlockingRecorder()
    async with running_bot(
        database, ScriptedModel({"intent": "look"}), tool_call_recorder=tool_call_recorder
    ) as harness:
        thread_id = await harness.post_message("look")
        await harness.wait_until(
            thread_id, lambda state: state.current_call is not None and state.current_call.phase == "running"
        )
        await harness.bot.thread_control.cancel(thread_id, BOB)
        tool_call_recorder.may_return.set()
        await harness.wait_until(thread_id, lambda state: state.current_call is None)
        assert (await harness.event_types(thread_id))[-1] == "ToolSucceeded"
        assert (await harness.bot.engine.load(thread_id)).status == "cancelled"


async def test_fork_copies_events_without_work_in_progress(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(SHIP, DoneForNow(message="In the fork."))) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        at_seq = (await harness.bot.engine.load(thread_id)).version
        fork = (await harness.bot.thread_control.fork(thread_id, at_seq, BOB)).after
        assert fork.thread_id != thread_id
        assert (fork.open_request, fork.current_call, fork.version) == (None, None, at_seq + 1)
        assert (await harness.event_types(fork.thread_id))[:-1] == (await harness.event_types(thread_id))
        await harness.post_message("carry on", thread_id=fork.thread_id)
        await harness.wait_until_done(fork.thread_id)
        await harness.check_replay(fork.thread_id)
        assert (await harness.bot.approvals.find_request(request.id)).status == "open"
        assert (await harness.bot.engine.load(thread_id)).status == "waiting_for_human"


@pytest.mark.parametrize("at_seq", [0, -1, 99])
async def test_refuses_fork_at_an_invalid_position(database: Database, at_seq, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE)) as harness:
        thread_id = await harness.post_message("hello")
        await harness.wait_until_done(thread_id)
        with pytest.raises(InvalidInput, match="fork it at one of them"):
            await harness.bot.thread_control.fork(thread_id, at_seq, BOB)


@on_every_setup
async def test_fork_of_a_long_thread_is_complete_and_one_commit(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE)) as harness:
        thread_id = await harness.post_message("hello")
        await harness.wait_until_done(thread_id)
        pause_event = ThreadPaused(at=harness.clock.now(), actor=BOB, reason="one of many")
        state = (await harness.bot.engine.apply(thread_id, lambda _: [pause_event] * (2 * PAGE_SIZE))).after
        at_seq, committed_ids = state.version - 1, []
        harness.bot.engine.listeners.append(lambda commit: committed_ids.append(commit.after.thread_id))
        fork = (await harness.bot.thread_control.fork(thread_id, at_seq, BOB)).after
        assert committed_ids == [fork.thread_id]
        assert (fork.version, fork.status, fork.pending_messages) == (at_seq + 1, "done", ())
        assert (await harness.events(fork.thread_id))[:-1] == (await harness.events(thread_id))[:at_seq]
        await harness.check_replay(fork.thread_id)
