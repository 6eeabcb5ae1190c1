"""Tests of delegation in the engine: approvals of the delegate's tools, and restarts after every commit."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from agents.core.agent import Agent
from agents.core.commands import Commands
from agents.core.completion import Budget
from agents.core.errors import ToolError
from agents.core.messages import Assurance
from agents.core.requests import Answer, Request
from agents.core.state import ThreadState
from agents.core.steps import AskAgent, DoneForNow
from agents.core.tools import ToolResult
from agents.core.values import Address, person_address
from agents.llm.base import Model
from agents.llm.offline.model import CommandModel
from agents.llm.openai.model import OpenAIModel
from storage.database.database import Database
from tests.bot.conftest import on_every_setup
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.scripted_model import ScriptedModel
from tests.harness import bot as bot_harness
from tests.harness.bot import BotHarness, RecordingChannel
from tests.harness.tools import ToolCallRecorder

ASK_HELPER = AskAgent(agent="helper", message="ship v1")
SHIP = {"intent": "ship", "tag": "v1"}
HELPER_REPLY, FINAL_REPLY = DoneForNow(message="v1 is shipped."), DoneForNow(message="The helper says it is done.")
MAIN_AGENT_COMMANDS = """
[[commands]]
say = ["have {tag} shipped"]
does = "asks the helper to ship a tag"
step = { intent = "ask_agent", agent = "helper", message = "ship {tag}" }
"""
HELPER_COMMANDS = """
[[commands]]
say = ["ship {tag}"]
does = "ships a tag"
step = { intent = "ship", tag = "{tag}" }
"""
MAIN_AGENT = Agent(
    name="desk",
    purpose="Takes orders.",
    instructions="Ask.",
    tools=(),
    asks=("helper",),
    commands=Commands.parse(MAIN_AGENT_COMMANDS),
)
DELEGATION_EVENTS = ["ThreadStarted", "MessageReceived", "StepChosen", "ToolCalled"]
PREFETCH_EVENTS = ["ToolCalled", "ToolStarted", "ToolSucceeded"]
APPROVAL_EVENTS = ["StepChosen", "ToolCalled", "RequestOpened", "RequestShown", "RequestAnswered", "MessageSent"]
TOOL_EVENTS = ["ToolStarted", "ToolSucceeded", "StepChosen", "ToolSucceeded"]
REPLY_EVENTS = ["StepChosen", "ReplyChosen", "ThreadFinished", "MessageSent"]
ALL_EVENTS = [*DELEGATION_EVENTS, *PREFETCH_EVENTS, *APPROVAL_EVENTS, *TOOL_EVENTS, *REPLY_EVENTS]


@pytest.fixture
def run_bot_with_delegation(running_bot):
    """Start a bot whose main agent delegates to the helper, which prefetches `look`."""
    return partial(run_bot_with_main_agent, running_bot)


def run_bot_with_main_agent(running_bot, database: Database, model: Model, **settings: object):
    commands = Commands.parse(HELPER_COMMANDS)
    return running_bot(database, model, main_agent=MAIN_AGENT, prefetch=("look",), commands=commands, **settings)


async def list_side_effects(harness: BotHarness) -> list[str]:
    return [action for _, action in harness.tool_call_recorder.runs if action != "look"]


@on_every_setup
async def test_delegate_asks_for_approval_and_delegator_replies(database: Database, run_bot_with_delegation) -> None:
    model, terminal = ScriptedModel(ASK_HELPER, SHIP, HELPER_REPLY, FINAL_REPLY), RecordingChannel("terminal")
    async with run_bot_with_delegation(database, model, channels={"terminal": terminal}) as harness:
        thread_id = await harness.post_message("please have v1 shipped")
        request = await harness.wait_for_request(thread_id)
        assert (request.agent, request.tool, request.requester) == ("helper", "ship", "person:alice")
        assert await list_side_effects(harness) == []
        await harness.answer_request(request, "approve")
        state = await harness.wait_until_done(thread_id)
        assert (state.agent, state.active_agent, await list_side_effects(harness)) == ("desk", "desk", ["ship v1"])
        assert sorted(await harness.event_types(thread_id)) == sorted(ALL_EVENTS)
        sent_card, updated_card, reply = [(to, message.text) for to, message, _ in terminal.sent]
        assert sent_card[0] == updated_card[0] == reply[0] == "terminal:alice"
        assert reply[1] == FINAL_REPLY.message
        await harness.check_replay(thread_id)


async def test_each_agent_gets_its_own_prompt(database: Database, run_bot_with_delegation) -> None:
    model = ScriptedModel(ASK_HELPER, SHIP, HELPER_REPLY, FINAL_REPLY)
    async with run_bot_with_delegation(database, model) as harness:
        thread_id = await harness.post_message("please have v1 shipped")
        await harness.answer_request(await harness.wait_for_request(thread_id), "approve")
        await harness.wait_until_done(thread_id)
    assert [model_request.agent.name for model_request in model.received] == ["desk", "helper", "helper", "desk"]
    first, delegated, _, last = [model_request.prompt for model_request in model.received]
    assert "- helper: helps" in first.system
    assert '<asked by="agent:desk"' in delegated.user
    assert '<call id="' in delegated.user.split("<asked")[1]
    assert "v1 is shipped.</result>" in last.user
    assert "did look" not in last.user


# Restarts


on_each_database = pytest.mark.parametrize("bot_setup", ["sqlite", "postgresql"], indirect=True)
"""Setups without the job queue.

A worker that takes jobs cannot stop after its first commit; tests/crashes kills it there.
"""


class RestartingThread:
    """Thread that successive bots continue, each of which stops after one commit."""

    def __init__(self, url: str, model: Model) -> None:
        self._url, self._model = url, model
        self.bot_count = 0
        self.tool_call_recorder = ToolCallRecorder()

    @asynccontextmanager
    async def bot_for_one_commit(self) -> AsyncIterator[BotHarness]:
        """Start a bot whose worker stops after its first commit."""
        self.bot_count += 1
        id_prefix = f"r{self.bot_count}x"
        bot_context = run_bot_with_main_agent(
            bot_harness.running_bot,
            Database.open(self._url),
            self._model,
            id_prefix=id_prefix,
            tool_call_recorder=self.tool_call_recorder,
        )
        async with bot_context as harness:
            harness.bot.engine.listeners.append(lambda _: harness.worker._stop_event.set())
            yield harness

    async def start_thread(self, text: str) -> str:
        async with self.bot_for_one_commit() as harness:
            return await harness.post_message(text)

    async def run_until_waiting(self, thread_id: str) -> ThreadState:
        """Restart until a request is open or the thread is done; return its state."""
        while True:
            async with self.bot_for_one_commit() as harness:
                before = await harness.bot.engine.load(thread_id)
                if before.status in ("waiting_for_human", "done"):
                    return before
                await harness.wait_until(thread_id, lambda state, version=before.version: state.version > version)
                await asyncio.gather(*harness.worker._tasks.values())
                await harness.check_replay(thread_id)

    async def answer_request(self, request: Request, decision: str) -> None:
        async with self.bot_for_one_commit() as harness:
            await harness.answer_request(request, decision)


async def run_story(restarting_thread: RestartingThread, text: str) -> ThreadState:
    """Start a thread, approve its request and run it until it is done."""
    thread_id = await restarting_thread.start_thread(text)
    waiting_state = await restarting_thread.run_until_waiting(thread_id)
    assert waiting_state.open_request is not None
    assert (waiting_state.active_agent, waiting_state.open_request.agent) == ("helper", "helper")
    await restarting_thread.answer_request(waiting_state.open_request, "approve")
    return await restarting_thread.run_until_waiting(thread_id)


async def load_reply_texts(url: str, thread_id: str) -> list[str]:
    async with bot_harness.running_bot(
        Database.open(url), CommandModel(), main_agent=MAIN_AGENT, id_prefix="z"
    ) as harness:
        await harness.check_replay(thread_id)
        return [event.text for event in await harness.events(thread_id) if event.type == "ReplyChosen"]


@on_each_database
async def test_delegation_by_commands_survives_a_restart_after_each_commit(database_url: str) -> None:
    restarting_thread = RestartingThread(database_url, CommandModel())
    final_state = await run_story(restarting_thread, "have v1 shipped")
    assert [action for _, action in restarting_thread.tool_call_recorder.runs] == ["look", "ship v1"]
    assert await load_reply_texts(database_url, final_state.thread_id) == ["did ship v1"]
    assert restarting_thread.bot_count >= 9


@on_each_database
async def test_delegation_by_model_survives_a_restart_after_each_commit(database_url: str) -> None:
    async with FakeOpenAI.running() as fake:
        model = OpenAIModel(fake.key, fake.base_url, fake.model)
        fake.will_choose("ask_agent", agent="helper", message="get v1 out, would you")
        fake.will_choose("ship", tag="v1")
        fake.will_choose("done_for_now", message="v1 is shipped.")
        fake.will_choose("done_for_now", message="It is out.")
        restarting_thread = RestartingThread(database_url, CommandModel(model))
        final_state = await run_story(restarting_thread, "could v1 go out today?")
        await model.close()
        assert [action for _, action in restarting_thread.tool_call_recorder.runs] == ["look", "ship v1"]
        assert await load_reply_texts(database_url, final_state.thread_id) == ["It is out."]
        assert "get v1 out, would you</asked>" in fake.received[1].user
        assert ["ask_agent" in str(prompt.schema) for prompt in fake.received] == [True, False, False, True]


# Denials, edits, messages, pauses and failures


async def test_denial_goes_to_the_delegate_and_into_its_reply(database: Database, run_bot_with_delegation) -> None:
    async with run_bot_with_delegation(database, CommandModel()) as harness:
        thread_id = await harness.post_message("have v1 shipped")
        await harness.answer_request(await harness.wait_for_request(thread_id), "deny", comment="not on Friday")
        state = await harness.wait_until_done(thread_id)
        assert await list_side_effects(harness) == []
        assert state.history[-1].text == "Not done: Bob denied it: not on Friday"


async def test_edited_call_runs_the_tool_of_the_delegate(database: Database, run_bot_with_delegation) -> None:
    async with run_bot_with_delegation(database, CommandModel()) as harness:
        thread_id = await harness.post_message("have v1 shipped")
        request = await harness.wait_for_request(thread_id)
        edit = Answer(
            by=person_address("bob"),
            channel=Address("terminal:bob"),
            assurance=Assurance.MEDIUM,
            decision="edit",
            arguments={"tag": "v2"},
        )
        await harness.bot.approvals.answer(request.id, edit)
        await harness.wait_until_done(thread_id)
        assert await list_side_effects(harness) == ["ship v2"]


async def test_message_goes_to_the_active_agent_and_never_approves(database: Database, run_bot_with_delegation) -> None:
    async with run_bot_with_delegation(database, CommandModel()) as harness:
        thread_id = await harness.post_message("have v1 shipped")
        first = await harness.wait_for_request(thread_id)
        await harness.post_message("yes, go ahead", thread_id=thread_id, person_key="bob")
        await harness.post_message("ship v2", thread_id=thread_id)
        second = (
            await harness.wait_until(thread_id, lambda state: state.open_request and state.open_request.id != first.id)
        ).open_request
        assert second is not None
        assert (second.agent, second.arguments) == ("helper", {"tag": "v2"})
        assert await list_side_effects(harness) == []


async def test_resumed_thread_continues_with_the_same_agent(database: Database, run_bot_with_delegation) -> None:
    async with run_bot_with_delegation(database, CommandModel()) as harness:
        thread_id = await harness.post_message("have v1 shipped")
        request = await harness.wait_for_request(thread_id)
        await harness.bot.thread_control.pause(thread_id, person_address("bob"))
        await harness.answer_request(request, "approve")
        assert await list_side_effects(harness) == []
        await harness.bot.thread_control.resume(thread_id, person_address("bob"))
        await harness.wait_until_done(thread_id)
        assert await list_side_effects(harness) == ["ship v1"]


async def test_message_to_a_finished_thread_goes_to_its_main_agent(database: Database, run_bot_with_delegation) -> None:
    model = ScriptedModel(ASK_HELPER, HELPER_REPLY, FINAL_REPLY, DoneForNow(message="Welcome."))
    async with run_bot_with_delegation(database, model) as harness:
        thread_id = await harness.post_message("please have v1 shipped")
        await harness.wait_until_done(thread_id)
        await harness.post_message("thanks", thread_id=thread_id)
        await harness.wait_until(thread_id, lambda state: getattr(state.history[-1], "text", "") == "Welcome.")
    assert model.received[-1].agent.name == "desk"


async def test_three_failures_of_the_delegate_hand_over_to_a_person(database: Database, running_bot) -> None:
    tool_call_recorder = ToolCallRecorder()
    move = {"intent": "move"}
    model = ScriptedModel(ASK_HELPER, move, move, move, HELPER_REPLY, FINAL_REPLY)
    async with running_bot(database, model, main_agent=MAIN_AGENT, tool_call_recorder=tool_call_recorder) as harness:
        tool_call_recorder.planned_errors = [ToolError("stuck")] * 3
        thread_id = await harness.post_message("please have it moved")
        request = await harness.wait_for_request(thread_id)
        assert (request.purpose, request.agent) == ("handover", "helper")
        await harness.answer_request(request, "answer", text="leave it", person_key="alice")
        await harness.wait_until_done(thread_id)


async def test_delegate_shares_the_budget_of_the_thread(database: Database, running_bot) -> None:
    model = ScriptedModel(ASK_HELPER, {"intent": "look"})
    main_agent = replace(MAIN_AGENT, budget=Budget(steps=2))
    async with running_bot(database, model, main_agent=main_agent) as harness:
        thread_id = await harness.post_message("please look around")
        request = await harness.wait_for_request(thread_id)
        assert (request.tool, request.agent) == ("extend_budget", "helper")
        await harness.answer_request(request, "deny")
        state = await harness.wait_for_status(thread_id, "failed")
        assert (state.delegations, state.active_agent) == ((), "desk")


# Crashes while a tool of the delegate runs


class HangingTools(ToolCallRecorder):
    """Tools that perform every action, but never return from the first `move`."""

    def __init__(self) -> None:
        super().__init__()
        self.move_started, self.may_return = threading.Event(), threading.Event()

    def run(self, key: str, action: str) -> ToolResult:
        result = super().run(key, action)
        if action == "move" and not self.move_started.is_set():
            self.move_started.set()
            self.may_return.wait(30)
            raise ToolError("the process has ended, so no worker sees this")
        return result


async def crash_during_move(
    running_bot, database_url: str, tool_call_recorder: HangingTools, *, is_cancelled: bool = False
) -> str:
    """Crash the worker of a thread during `move`, and cancel the thread if `is_cancelled`. Return its id."""
    model = ScriptedModel(ASK_HELPER, {"intent": "move"})
    async with running_bot(
        Database.open(database_url), model, main_agent=MAIN_AGENT, tool_call_recorder=tool_call_recorder
    ) as harness:
        thread_id = await harness.post_message("please have it moved")
        await asyncio.to_thread(tool_call_recorder.move_started.wait, 20)
        await harness.crash()
        tool_call_recorder.may_return.set()
        assert (await harness.event_types(thread_id))[-1] == "ToolStarted"
        if is_cancelled:
            await harness.bot.thread_control.cancel(thread_id, person_address("bob"))
    return thread_id


async def test_check_of_the_delegate_finds_the_result_after_a_crash(database_url: str, running_bot) -> None:
    tool_call_recorder = HangingTools()
    thread_id = await crash_during_move(running_bot, database_url, tool_call_recorder)
    second_model = ScriptedModel(HELPER_REPLY, FINAL_REPLY)
    async with running_bot(
        Database.open(database_url),
        second_model,
        main_agent=MAIN_AGENT,
        tool_call_recorder=tool_call_recorder,
        id_prefix="b",
    ) as harness:
        await harness.wait_until_done(thread_id)
        assert [action for _, action in tool_call_recorder.runs] == ["move"]
        await harness.check_replay(thread_id)


async def test_check_also_runs_in_a_cancelled_thread(database_url: str, running_bot) -> None:
    tool_call_recorder = HangingTools()
    thread_id = await crash_during_move(running_bot, database_url, tool_call_recorder, is_cancelled=True)
    async with running_bot(
        Database.open(database_url),
        ScriptedModel(),
        main_agent=MAIN_AGENT,
        tool_call_recorder=tool_call_recorder,
        id_prefix="b",
    ) as harness:
        state = await harness.wait_until(thread_id, lambda state: state.current_call is None)
        assert (state.status, state.history[-1].type) == ("cancelled", "ToolSucceeded")
        assert [action for _, action in tool_call_recorder.runs] == ["move"]
