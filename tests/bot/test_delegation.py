"""One agent asks another in the engine: whose tool needs a person, and whoever starts again at whatever step."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from agents.addresses import Address, person_address
from agents.agent import Agent
from agents.budget import Budget
from agents.command_model import CommandModel
from agents.commands import Commands
from agents.errors import ToolError
from agents.messages import Assurance
from agents.model import Model
from agents.openai_model import OpenAIModel
from agents.requests import Answer, Request
from agents.state import ThreadState
from agents.steps import AskAgent, DoneForNow
from agents.tools import ToolResult
from storage.database import Database
from tests import bot_harness
from tests.bot_harness import BotHarness, RecordingChannel, RecordingTools
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.scripted_model import ScriptedModel

ASK = AskAgent(agent="helper", message="ship v1")
SHIP = {"intent": "ship", "tag": "v1"}
SHIPPED, TOLD = DoneForNow(message="v1 is shipped."), DoneForNow(message="The helper says it is done.")
DESK_COMMANDS = """
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
DESK = Agent(
    name="desk",
    purpose="Takes orders.",
    instructions="Ask.",
    tools=(),
    delegates=("helper",),
    commands=Commands.parse(DESK_COMMANDS),
)
HANDED_ON = ["ThreadStarted", "MessageReceived", "StepChosen", "ToolCalled"]
LOOKED_UP = ["ToolCalled", "ToolStarted", "ToolSucceeded"]
DECIDED = ["StepChosen", "ToolCalled", "RequestOpened", "RequestShown", "RequestAnswered", "MessageSent"]
DONE = ["ToolStarted", "ToolSucceeded", "StepChosen", "ToolSucceeded"]
TOLD_PEOPLE = ["StepChosen", "ReplyChosen", "ThreadFinished", "MessageSent"]
WHOLE = [*HANDED_ON, *LOOKED_UP, *DECIDED, *DONE, *TOLD_PEOPLE]


@pytest.fixture
def run_bot_with_delegation(running_bot):
    """Opens a house with a desk in front of the helper, who looks around first."""
    return partial(run_bot_with_front_agent, running_bot)


def run_bot_with_front_agent(running_bot, database: Database, model: Model, **changed: object):
    commands = Commands.parse(HELPER_COMMANDS)
    return running_bot(database, model, main_agent=DESK, prefetch=("look",), commands=commands, **changed)


async def side_effects(harness: BotHarness) -> list[str]:
    return [what for _, what in harness.recording_tools.runs if what != "look"]


async def test_an_approval_of_the_asked_agent_is_answered_on_the_threads_channel_and_the_asker_replies(
    database: Database, run_bot_with_delegation
) -> None:
    model, terminal = ScriptedModel(ASK, SHIP, SHIPPED, TOLD), RecordingChannel("terminal")
    async with run_bot_with_delegation(database, model, channels={"terminal": terminal}) as harness:
        thread = await harness.post_message("please have v1 shipped")
        request = await harness.wait_for_request(thread)
        assert (request.agent, request.tool, request.requester) == ("helper", "ship", "person:alice")
        assert await side_effects(harness) == []
        await harness.answer_request(request, "approve")
        state = await harness.wait_until_settled(thread)
        assert (state.agent, state.active_agent, await side_effects(harness)) == ("desk", "desk", ["ship v1"])
        assert sorted(await harness.event_types(thread)) == sorted(WHOLE)
        asked, corrected, told = [(to, message.text) for to, message, _ in terminal.sent]
        assert asked[0] == corrected[0] == told[0] == "terminal:alice"
        assert told[1] == TOLD.message
        await harness.check_replay(thread)


async def test_each_agent_chooses_for_itself_and_is_told_its_part(database: Database, run_bot_with_delegation) -> None:
    model = ScriptedModel(ASK, SHIP, SHIPPED, TOLD)
    async with run_bot_with_delegation(database, model) as harness:
        thread = await harness.post_message("please have v1 shipped")
        await harness.answer_request(await harness.wait_for_request(thread), "approve")
        await harness.wait_until_settled(thread)
    assert [turn.agent.name for turn in model.received] == ["desk", "helper", "helper", "desk"]
    first, asked, _, last = [turn.prompt for turn in model.received]
    assert "- helper: helps" in first.system
    assert '<asked by="agent:desk"' in asked.user
    assert '<call id="' in asked.user.split("<asked")[1]
    assert "v1 is shipped.</result>" in last.user
    assert "did look" not in last.user


# A start after every step


EACH_DATABASE = pytest.mark.parametrize("set_up", ["sqlite", "postgresql"], indirect=True)
"""A worker of the job queue cannot be told to stop behind its first commit; tests/crashes kills it there."""


class RestartingThread:
    """The same thread in one process after the other, each of which does one piece of work and ends."""

    def __init__(self, url: str, model: Model) -> None:
        self._url, self._model = url, model
        self.processes = 0
        self.recording_tools = RecordingTools()

    @asynccontextmanager
    async def process(self) -> AsyncIterator[BotHarness]:
        """A process whose worker stops behind its first commit."""
        self.processes += 1
        run = f"r{self.processes}x"
        opened = run_bot_with_front_agent(
            bot_harness.running_bot,
            Database.open(self._url),
            self._model,
            run=run,
            recording_tools=self.recording_tools,
        )
        async with opened as harness:
            harness.bot.engine.listeners.append(lambda _: harness.worker._stop_event.set())
            yield harness

    async def start_thread(self, text: str) -> str:
        async with self.process() as harness:
            return await harness.post_message(text)

    async def run_until_waiting(self, thread: str) -> ThreadState:
        """Until people are asked or the thread is at rest: its state then."""
        while True:
            async with self.process() as harness:
                before = await harness.bot.engine.load(thread)
                if before.status in ("waiting_for_human", "done"):
                    return before
                await harness.wait_until(thread, lambda state, v=before.version: state.version > v)
                await asyncio.gather(*harness.worker._tasks.values())
                await harness.check_replay(thread)

    async def answers(self, request: Request, decision: str) -> None:
        async with self.process() as harness:
            await harness.answer_request(request, decision)


async def played(story: RestartingThread, text: str) -> ThreadState:
    """Ask, approve, come to rest."""
    thread = await story.start_thread(text)
    waiting = await story.run_until_waiting(thread)
    assert waiting.open_request is not None
    assert (waiting.active_agent, waiting.open_request.agent) == ("helper", "helper")
    await story.answers(waiting.open_request, "approve")
    return await story.run_until_waiting(thread)


async def replies(url: str, thread: str) -> list[str]:
    async with bot_harness.running_bot(Database.open(url), CommandModel(), main_agent=DESK, run="z") as harness:
        await harness.check_replay(thread)
        return [event.text for event in await harness.events(thread) if event.type == "ReplyChosen"]


@EACH_DATABASE
async def test_without_a_model_the_story_survives_a_start_after_every_step(database_url: str) -> None:
    story = RestartingThread(database_url, CommandModel())
    ended = await played(story, "have v1 shipped")
    assert [what for _, what in story.recording_tools.runs] == ["look", "ship v1"]
    assert await replies(database_url, ended.thread_id) == ["did ship v1"]
    assert story.processes >= 9


@EACH_DATABASE
async def test_with_a_model_the_story_survives_a_start_after_every_step(database_url: str) -> None:
    async with FakeOpenAI.running() as fake:
        model = OpenAIModel(fake.key, fake.base_url, fake.model)
        fake.will_choose("ask_agent", agent="helper", message="get v1 out, would you")
        fake.will_choose("ship", tag="v1")
        fake.will_choose("done_for_now", message="v1 is shipped.")
        fake.will_choose("done_for_now", message="It is out.")
        story = RestartingThread(database_url, CommandModel(model))
        ended = await played(story, "could v1 go out today?")
        await model.close()
        assert [what for _, what in story.recording_tools.runs] == ["look", "ship v1"]
        assert await replies(database_url, ended.thread_id) == ["It is out."]
        assert "get v1 out, would you</asked>" in fake.received[1].user
        assert ["ask_agent" in str(asked.schema) for asked in fake.received] == [True, False, False, True]


# When things go otherwise


async def test_a_denial_is_told_to_the_asked_agent_and_comes_back_in_its_words(
    database: Database, run_bot_with_delegation
) -> None:
    async with run_bot_with_delegation(database, CommandModel()) as harness:
        thread = await harness.post_message("have v1 shipped")
        await harness.answer_request(await harness.wait_for_request(thread), "deny", comment="not on Friday")
        state = await harness.wait_until_settled(thread)
        assert await side_effects(harness) == []
        assert state.history[-1].text == "Not done: Bob denied it: not on Friday"


async def test_an_edit_goes_to_the_tool_of_the_agent_that_asked_for_approval(
    database: Database, run_bot_with_delegation
) -> None:
    async with run_bot_with_delegation(database, CommandModel()) as harness:
        thread = await harness.post_message("have v1 shipped")
        request = await harness.wait_for_request(thread)
        edit = Answer(
            by=person_address("bob"),
            channel=Address("terminal:bob"),
            assurance=Assurance.MEDIUM,
            decision="edit",
            arguments={"tag": "v2"},
        )
        await harness.bot.approvals.answer(request.id, edit)
        await harness.wait_until_settled(thread)
        assert await side_effects(harness) == ["ship v2"]


async def test_a_message_is_heard_by_the_agent_at_work_and_never_approves(
    database: Database, run_bot_with_delegation
) -> None:
    async with run_bot_with_delegation(database, CommandModel()) as harness:
        thread = await harness.post_message("have v1 shipped")
        first = await harness.wait_for_request(thread)
        await harness.post_message("yes, go ahead", thread_id=thread, person_key="bob")
        await harness.post_message("ship v2", thread_id=thread)
        second = (
            await harness.wait_until(thread, lambda s: s.open_request and s.open_request.id != first.id)
        ).open_request
        assert second is not None
        assert (second.agent, second.arguments) == ("helper", {"tag": "v2"})
        assert await side_effects(harness) == []


async def test_a_paused_thread_goes_on_in_the_same_hands(database: Database, run_bot_with_delegation) -> None:
    async with run_bot_with_delegation(database, CommandModel()) as harness:
        thread = await harness.post_message("have v1 shipped")
        request = await harness.wait_for_request(thread)
        await harness.bot.thread_control.pause(thread, person_address("bob"))
        await harness.answer_request(request, "approve")
        assert await side_effects(harness) == []
        await harness.bot.thread_control.resume(thread, person_address("bob"))
        await harness.wait_until_settled(thread)
        assert await side_effects(harness) == ["ship v1"]


async def test_a_message_to_a_thread_that_is_done_is_heard_by_its_own_agent(
    database: Database, run_bot_with_delegation
) -> None:
    model = ScriptedModel(ASK, SHIPPED, TOLD, DoneForNow(message="Welcome."))
    async with run_bot_with_delegation(database, model) as harness:
        thread = await harness.post_message("please have v1 shipped")
        await harness.wait_until_settled(thread)
        await harness.post_message("thanks", thread_id=thread)
        await harness.wait_until(thread, lambda s: getattr(s.history[-1], "text", "") == "Welcome.")
    assert model.received[-1].agent.name == "desk"


async def test_three_failures_in_a_row_of_the_asked_agent_hand_over_to_a_person(
    database: Database, running_bot
) -> None:
    recording_tools = RecordingTools()
    move = {"intent": "move"}
    model = ScriptedModel(ASK, move, move, move, SHIPPED, TOLD)
    async with running_bot(database, model, main_agent=DESK, recording_tools=recording_tools) as harness:
        recording_tools.planned_errors = [ToolError("stuck")] * 3
        thread = await harness.post_message("please have it moved")
        request = await harness.wait_for_request(thread)
        assert (request.purpose, request.agent) == ("handover", "helper")
        await harness.answer_request(request, "answer", text="leave it", person_key="alice")
        await harness.wait_until_settled(thread)


async def test_the_budget_is_the_threads_and_when_it_is_not_extended_the_thread_ends(
    database: Database, running_bot
) -> None:
    model = ScriptedModel(ASK, {"intent": "look"})
    desk = replace(DESK, budget=Budget(steps=2))
    async with running_bot(database, model, main_agent=desk) as harness:
        thread = await harness.post_message("please look around")
        request = await harness.wait_for_request(thread)
        assert (request.tool, request.agent) == ("extend_budget", "helper")
        await harness.answer_request(request, "deny")
        state = await harness.wait_until_settled(thread, "failed")
        assert (state.delegations, state.active_agent) == ((), "desk")


# A process that ends while the asked agent's tool runs


class HangingTools(RecordingTools):
    """Does what it is asked for, and never reports the first move."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.released = threading.Event(), threading.Event()

    def run(self, key: str, action: str) -> ToolResult:
        result = super().run(key, action)
        if action == "move" and not self.started.is_set():
            self.started.set()
            self.released.wait(30)
            raise ToolError("nobody is left to hear this")
        return result


async def killed(running_bot, database_url: str, recording_tools: HangingTools, *, cancelled: bool = False) -> str:
    """A thread whose worker died in the middle of the asked agent's move, and which a person then cancelled, or not."""
    model = ScriptedModel(ASK, {"intent": "move"})
    async with running_bot(
        Database.open(database_url), model, main_agent=DESK, recording_tools=recording_tools
    ) as harness:
        thread = await harness.post_message("please have it moved")
        await asyncio.to_thread(recording_tools.started.wait, 20)
        await harness.crash()
        recording_tools.released.set()
        assert (await harness.event_types(thread))[-1] == "ToolStarted"
        if cancelled:
            await harness.bot.thread_control.cancel(thread, person_address("bob"))
    return thread


async def test_a_deed_of_the_asked_agent_is_looked_for_by_its_own_check_after_a_crash(
    database_url: str, running_bot
) -> None:
    recording_tools = HangingTools()
    thread = await killed(running_bot, database_url, recording_tools)
    again = ScriptedModel(SHIPPED, TOLD)
    async with running_bot(
        Database.open(database_url), again, main_agent=DESK, recording_tools=recording_tools, run="b"
    ) as harness:
        await harness.wait_until_settled(thread)
        assert [what for _, what in recording_tools.runs] == ["move"]
        await harness.check_replay(thread)


async def test_also_when_the_thread_was_cancelled_and_is_in_nobodys_hands(database_url: str, running_bot) -> None:
    recording_tools = HangingTools()
    thread = await killed(running_bot, database_url, recording_tools, cancelled=True)
    async with running_bot(
        Database.open(database_url), ScriptedModel(), main_agent=DESK, recording_tools=recording_tools, run="b"
    ) as harness:
        state = await harness.wait_until(thread, lambda s: s.current_call is None)
        assert (state.status, state.history[-1].type) == ("cancelled", "ToolSucceeded")
        assert [what for _, what in recording_tools.runs] == ["move"]
