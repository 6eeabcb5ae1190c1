"""A worker crashes between two writes: no work is lost and no effect is repeated (ADR 0004).

tests/scenarios and test_worker_failover.py kill real processes. Here only the worker crashes, so that each effect class
can be tested with a crash before and after its effect.
"""

import asyncio
import threading

import pytest

from agents.core.errors import Forbidden, ToolError, Unavailable
from agents.core.policy import ApprovalTerms, Rule
from agents.core.steps import DoneForNow
from agents.core.values import person_address
from bot.execution.tools.runner import MAX_TOOL_ATTEMPTS
from storage.database.database import Database
from tests.bot.conftest import on_every_setup
from tests.fakes.clock import FakeClock
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import RecordingChannel
from tests.harness.tools import ToolCallRecorder

DONE = DoneForNow(message="Done.")


class CrashingTools(ToolCallRecorder):
    """Tools whose first run never returns, with or without its effect."""

    def __init__(self, *, has_effect: bool) -> None:
        super().__init__()
        self.run_started, self.may_return = threading.Event(), threading.Event()
        self._has_effect, self._is_first_run = has_effect, True

    def run(self, key: str, action: str):
        if not self._is_first_run:
            return super().run(key, action)
        self._is_first_run = False
        if self._has_effect:
            self.runs.append((key, action))
        self.run_started.set()
        self.may_return.wait(30)
        raise ToolError("raised after the crash")


async def crash_during_tool(
    running_bot, database_url: str, intent: str, *, has_effect: bool, is_cancelled: bool = False
) -> tuple[str, CrashingTools]:
    """Run a thread until its tool is running, then crash the worker. Optionally cancel the thread afterwards."""
    tools = CrashingTools(has_effect=has_effect)
    database = Database.open(database_url)
    async with running_bot(database, ScriptedModel({"intent": intent}), tool_call_recorder=tools) as harness:
        thread_id = await harness.post_message("go")
        await asyncio.to_thread(tools.run_started.wait, 20)
        await harness.crash()
        tools.may_return.set()
        assert (await harness.event_types(thread_id))[-1] == "ToolStarted"
        if is_cancelled:
            await harness.bot.thread_control.cancel(thread_id, person_address("bob"))
    return thread_id, tools


def used_keys(tools: ToolCallRecorder) -> set[str]:
    return {key for key, _ in tools.runs}


@pytest.mark.parametrize("has_effect", [True, False])
async def test_read_is_repeated_after_a_crash(database_url: str, has_effect, running_bot) -> None:
    thread_id, tools = await crash_during_tool(running_bot, database_url, "look", has_effect=has_effect)
    async with running_bot(
        Database.open(database_url), ScriptedModel(DONE), tool_call_recorder=tools, id_prefix="b"
    ) as harness:
        await harness.wait_until_done(thread_id)
        assert len(tools.runs) == 1 + has_effect
        await harness.check_replay(thread_id)


@pytest.mark.parametrize("has_effect", [True, False])
async def test_verifiable_call_is_checked_after_a_crash(database_url: str, has_effect, running_bot) -> None:
    thread_id, tools = await crash_during_tool(running_bot, database_url, "move", has_effect=has_effect)
    async with running_bot(
        Database.open(database_url), ScriptedModel(DONE), tool_call_recorder=tools, id_prefix="b"
    ) as harness:
        await harness.wait_until_done(thread_id)
        assert len(tools.runs) == 1
        assert "ToolSucceeded" in await harness.event_types(thread_id)


@pytest.mark.parametrize(
    ("answer", "runs"), [("ran", 1), ("did not run", 1), ("run again", 2)], ids=["ran", "did-not-run", "run-again"]
)
async def test_once_call_is_repeated_only_if_a_person_decides_so(database_url: str, answer, runs, running_bot) -> None:
    thread_id, tools = await crash_during_tool(running_bot, database_url, "pay", has_effect=True)
    async with running_bot(
        Database.open(database_url), ScriptedModel(DONE), tool_call_recorder=tools, id_prefix="b"
    ) as harness:
        request = await harness.wait_for_request(thread_id)
        assert request.choices == ("ran", "did not run", "run again")
        assert len(tools.runs) == 1
        await harness.answer_request(request, "answer", text=answer)
        await harness.wait_until_done(thread_id)
        assert len(tools.runs) == runs
        assert len(used_keys(tools)) == 1
        assert "ToolOutcomeUnknown" in await harness.event_types(thread_id)


@on_every_setup
async def test_request_stays_open_across_a_restart(database_url: str, running_bot) -> None:
    ship = {"intent": "ship", "tag": "v1"}
    async with running_bot(Database.open(database_url), ScriptedModel(ship)) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
    async with running_bot(Database.open(database_url), ScriptedModel(DONE), id_prefix="b") as harness:
        await harness.answer_request(request, "approve")
        await harness.wait_until_done(thread_id)
        assert [action for _, action in harness.tool_call_recorder.runs] == ["ship v1"]
        await harness.check_replay(thread_id)


@on_every_setup
async def test_accepted_message_is_processed_after_a_restart(database_url: str, running_bot) -> None:
    async with running_bot(Database.open(database_url), ScriptedModel()) as harness:
        await harness.crash()
        thread_id = await harness.post_message("hello")
    async with running_bot(Database.open(database_url), ScriptedModel(DONE), id_prefix="b") as harness:
        await harness.wait_until_done(thread_id)


@on_every_setup
async def test_unsent_card_is_sent_after_a_restart(database_url: str, running_bot) -> None:
    unavailable, available = RecordingChannel("terminal"), RecordingChannel("terminal")
    unavailable.planned_errors = [Unavailable("away")]
    model = ScriptedModel({"intent": "ship", "tag": "v1"})
    async with running_bot(Database.open(database_url), model, channels={"terminal": unavailable}) as harness:
        thread_id = await harness.post_message("ship v1")
        await harness.wait_until(thread_id, lambda state: state.open_request)
    async with running_bot(
        Database.open(database_url), ScriptedModel(), channels={"terminal": available}, id_prefix="b"
    ) as harness:
        harness.clock.advance(seconds=1)  # a job keeps its retry time across a restart
        request = await harness.wait_for_request(thread_id)
        assert [card.address for card in request.cards] == ["terminal:alice"]
        assert [message.card.code for _, message, _ in available.sent if message.card] == [request.code]


async def test_unavailable_tool_is_retried_with_back_off(database: Database, running_bot) -> None:
    clock, tools = FakeClock(), ToolCallRecorder()
    tools.planned_errors = [Unavailable("the forge is away"), Unavailable("still away")]
    async with running_bot(
        database, ScriptedModel({"intent": "look"}, DONE), clock=clock, tool_call_recorder=tools
    ) as harness:
        thread_id = await harness.post_message("look")
        for seconds in (1, 2):
            state = await harness.wait_until(thread_id, lambda state: state.status == "waiting_for_time")
            assert state.current_call is not None
            assert (state.current_call.retry_at - clock.now()).total_seconds() == seconds
            version = state.version
            clock.advance(seconds=seconds)
            await harness.wait_until(thread_id, lambda state, version=version: state.version > version)
        await harness.wait_until_done(thread_id)
        assert len(tools.runs) == 1
        assert (await harness.event_types(thread_id)).count("ToolStarted") == MAX_TOOL_ATTEMPTS


async def test_unavailable_tool_fails_after_three_attempts(database: Database, running_bot) -> None:
    clock, tools = FakeClock(), ToolCallRecorder()
    tools.planned_errors = [Unavailable("the forge is away")] * 5
    model = ScriptedModel({"intent": "look"}, DONE)
    async with running_bot(database, model, clock=clock, tool_call_recorder=tools) as harness:
        thread_id = await harness.post_message("look")
        for seconds in (1, 2):
            state = await harness.wait_until(thread_id, lambda state: state.status == "waiting_for_time")
            clock.advance(seconds=seconds)
            await harness.wait_until(thread_id, lambda state, version=state.version: state.version > version)
        await harness.wait_until_done(thread_id)
        assert "the forge is away" in model.received[-1].prompt.user


async def test_verifiable_call_with_unknown_outcome_is_checked_first(database: Database, running_bot) -> None:
    class ToolsWithLostResponse(ToolCallRecorder):
        def run(self, key: str, action: str):
            super().run(key, action)
            raise Unavailable("it was done, but the response was lost")

    tools = ToolsWithLostResponse()
    async with running_bot(database, ScriptedModel({"intent": "move"}, DONE), tool_call_recorder=tools) as harness:
        thread_id = await harness.post_message("move")
        await harness.wait_until_done(thread_id)
        assert len(tools.runs) == 1
        assert (await harness.event_types(thread_id)).count("ToolStarted") == 1


async def test_idempotent_call_with_unknown_outcome_opens_a_request(database: Database, running_bot) -> None:
    tools = ToolCallRecorder()
    tools.planned_errors = [Unavailable("away")] * MAX_TOOL_ATTEMPTS
    async with running_bot(
        database, ScriptedModel({"intent": "ship", "tag": "v1"}, DONE), tool_call_recorder=tools
    ) as harness:
        thread_id = await harness.post_message("ship v1")
        await harness.answer_request(await harness.wait_for_request(thread_id), "approve")
        for seconds in (1, 2):
            state = await harness.wait_until(thread_id, lambda state: state.status == "waiting_for_time")
            harness.clock.advance(seconds=seconds)
            await harness.wait_until(thread_id, lambda state, version=state.version: state.version > version)
        request = (await harness.wait_until(thread_id, lambda state: state.open_request)).open_request
        assert request is not None
        assert request.purpose == "outcome"
        await harness.answer_request(request, "answer", text="did not run")
        await harness.wait_until_done(thread_id)


async def test_repeating_a_call_needs_the_role_of_its_approval(database_url: str, running_bot) -> None:
    tools = CrashingTools(has_effect=True)
    pay = {"intent": "pay"}
    rules = (Rule(name="money", tool="pay", ask=ApprovalTerms(roles=("release",))),)
    async with running_bot(
        Database.open(database_url), ScriptedModel(pay), tool_call_recorder=tools, rules=rules
    ) as harness:
        thread_id = await harness.post_message("pay")
        await harness.answer_request(await harness.wait_for_request(thread_id), "approve")
        await asyncio.to_thread(tools.run_started.wait, 20)
        await harness.crash()
        tools.may_return.set()
    async with running_bot(
        Database.open(database_url), ScriptedModel(DONE), tool_call_recorder=tools, id_prefix="b", rules=rules
    ) as harness:
        request = await harness.wait_for_request(thread_id)
        with pytest.raises(Forbidden):
            await harness.answer_request(request, "answer", text="run again", person_key="alice")
        assert len(tools.runs) == 1
        await harness.answer_request(request, "answer", text="run again", person_key="bob")
        await harness.wait_until_done(thread_id)
        assert len(tools.runs) == 2


async def test_cancelled_thread_does_not_repeat_a_call_after_a_crash(database_url: str, running_bot) -> None:
    thread_id, tools = await crash_during_tool(running_bot, database_url, "look", has_effect=False, is_cancelled=True)
    async with running_bot(
        Database.open(database_url), ScriptedModel(), tool_call_recorder=tools, id_prefix="b"
    ) as harness:
        await harness.wait_until(thread_id, lambda state: state.current_call is None)
        assert tools.runs == []
        assert (await harness.bot.engine.load(thread_id)).status == "cancelled"


async def test_cancelled_thread_reports_a_call_with_unknown_outcome(database_url: str, running_bot) -> None:
    thread_id, tools = await crash_during_tool(running_bot, database_url, "pay", has_effect=True, is_cancelled=True)
    async with running_bot(
        Database.open(database_url), ScriptedModel(), tool_call_recorder=tools, id_prefix="b"
    ) as harness:
        await harness.wait_until(
            thread_id, lambda state: state.history[-1].type == "ReplyChosen" and not state.pending_messages
        )
        [reply] = [event.text for event in await harness.events(thread_id) if event.type == "ReplyChosen"]
        assert reply == (
            "pay was running when this thread was cancelled, so I do not know the outcome of this call. "
            "Please check what it did."
        )
        assert (await harness.event_types(thread_id))[-3:] == ["ToolOutcomeUnknown", "ReplyChosen", "MessageSent"]
        await harness.check_replay(thread_id)


async def test_changed_rules_apply_before_a_call_is_repeated(database_url: str, running_bot) -> None:
    tools = CrashingTools(has_effect=False)
    ship = {"intent": "ship", "tag": "v1"}
    async with running_bot(Database.open(database_url), ScriptedModel(ship), tool_call_recorder=tools) as harness:
        thread_id = await harness.post_message("ship v1")
        await harness.answer_request(await harness.wait_for_request(thread_id), "approve")
        await asyncio.to_thread(tools.run_started.wait, 20)
        await harness.crash()
        tools.may_return.set()
    deny_rules = (Rule(name="freeze", tool="ship", deny="nothing ships today"),)
    async with running_bot(
        Database.open(database_url), ScriptedModel(), tool_call_recorder=tools, id_prefix="b", rules=deny_rules
    ) as harness:
        request = await harness.wait_for_request(thread_id)
        assert request.purpose == "outcome"
        assert tools.runs == []


async def test_prompt_names_an_unexpected_error_without_its_text(database: Database, running_bot) -> None:
    tools = ToolCallRecorder()
    tools.planned_errors = [ValueError("token=hunter2")]
    model = ScriptedModel({"intent": "look"}, DONE)
    async with running_bot(database, model, tool_call_recorder=tools) as harness:
        thread_id = await harness.post_message("look")
        await harness.wait_until_done(thread_id)
        prompt = model.received[-1].prompt.user
        assert "unexpected ValueError" in prompt
        assert "hunter2" not in prompt


async def test_three_failures_in_a_row_open_a_help_request(database: Database, running_bot) -> None:
    tools = ToolCallRecorder()
    tools.planned_errors = [ToolError("no")] * 3
    model = ScriptedModel(*[{"intent": "look"}] * 3, DONE)
    async with running_bot(database, model, tool_call_recorder=tools) as harness:
        thread_id = await harness.post_message("look")
        request = await harness.wait_for_request(thread_id)
        assert request.purpose == "handover"
        await harness.answer_request(request, "answer", text="look elsewhere", person_key="alice")
        await harness.wait_until_done(thread_id)
        assert "look elsewhere" in model.received[-1].prompt.user
