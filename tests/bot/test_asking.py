"""One agent asks another in the engine: whose tool needs a person, and whoever starts again at whatever step."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from agents.addresses import Address, person
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
from tests import houses
from tests.fakes.model import FakeOpenAI
from tests.fakes.scripted import ScriptedModel
from tests.houses import House, RecordingChannel, Workshop

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
    asks=("helper",),
    commands=Commands.parse(DESK_COMMANDS),
)
HANDED_ON = ["ThreadStarted", "MessageReceived", "StepChosen", "ToolCalled"]
LOOKED_UP = ["ToolCalled", "ToolStarted", "ToolSucceeded"]
DECIDED = ["StepChosen", "ToolCalled", "RequestOpened", "RequestShown", "RequestAnswered", "MessageSent"]
DONE = ["ToolStarted", "ToolSucceeded", "StepChosen", "ToolSucceeded"]
TOLD_PEOPLE = ["StepChosen", "ReplyChosen", "ThreadFinished", "MessageSent"]
WHOLE = [*HANDED_ON, *LOOKED_UP, *DECIDED, *DONE, *TOLD_PEOPLE]


@pytest.fixture
def opened(house):
    """Opens a house with a desk in front of the helper, who looks around first."""
    return partial(with_a_desk, house)


def with_a_desk(house, database: Database, model: Model, **changed: object):
    commands = Commands.parse(HELPER_COMMANDS)
    return house(database, model, desk=DESK, prefetch=("look",), commands=commands, **changed)


async def deeds(home: House) -> list[str]:
    return [what for _, what in home.workshop.done if what != "look"]


async def test_an_approval_of_the_asked_agent_is_answered_on_the_threads_channel_and_the_asker_replies(
    database: Database, opened
) -> None:
    model, terminal = ScriptedModel(ASK, SHIP, SHIPPED, TOLD), RecordingChannel("terminal")
    async with opened(database, model, channels={"terminal": terminal}) as home:
        thread = await home.says("please have v1 shipped")
        request = await home.asked(thread)
        assert (request.agent, request.tool, request.requester) == ("helper", "ship", "person:alice")
        assert await deeds(home) == []
        await home.answers(request, "approve")
        state = await home.at_rest(thread)
        assert (state.agent, state.acting, await deeds(home)) == ("desk", "desk", ["ship v1"])
        assert sorted(await home.story(thread)) == sorted(WHOLE)
        asked, corrected, told = [(to, message.text) for to, message, _ in terminal.sent]
        assert asked[0] == corrected[0] == told[0] == "terminal:alice"
        assert told[1] == TOLD.message
        await home.check_replay(thread)


async def test_each_agent_chooses_for_itself_and_is_told_its_part(database: Database, opened) -> None:
    model = ScriptedModel(ASK, SHIP, SHIPPED, TOLD)
    async with opened(database, model) as home:
        thread = await home.says("please have v1 shipped")
        await home.answers(await home.asked(thread), "approve")
        await home.at_rest(thread)
    assert [turn.agent.name for turn in model.turns] == ["desk", "helper", "helper", "desk"]
    first, asked, _, last = [turn.prompt for turn in model.turns]
    assert "- helper: helps" in first.system
    assert '<asked by="agent:desk"' in asked.user
    assert '<call id="' in asked.user.split("<asked")[1]
    assert "v1 is shipped.</result>" in last.user
    assert "did look" not in last.user


# A start after every step


EACH_DATABASE = pytest.mark.parametrize("set_up", ["sqlite", "postgresql"], indirect=True)
"""A worker of the job queue cannot be told to stop behind its first commit; tests/crashes kills it there."""


class Restarting:
    """The same thread in one process after the other, each of which does one piece of work and ends."""

    def __init__(self, url: str, model: Model) -> None:
        self._url, self._model = url, model
        self.processes = 0
        self.workshop = Workshop()

    @asynccontextmanager
    async def process(self) -> AsyncIterator[House]:
        """A process whose worker stops behind its first commit."""
        self.processes += 1
        run = f"r{self.processes}x"
        opened = with_a_desk(houses.house, Database.open(self._url), self._model, run=run, workshop=self.workshop)
        async with opened as home:
            home.bot.engine.listeners.append(lambda _: home.worker._stop_bell.set())
            yield home

    async def begins(self, text: str) -> str:
        async with self.process() as home:
            return await home.says(text)

    async def goes_on(self, thread: str) -> ThreadState:
        """Until people are asked or the thread is at rest: its state then."""
        while True:
            async with self.process() as home:
                before = await home.bot.engine.load(thread)
                if before.status in ("waiting_for_human", "done"):
                    return before
                await home.until(thread, lambda state, v=before.version: state.version > v)
                await asyncio.gather(*home.worker._tasks.values())
                await home.check_replay(thread)

    async def answers(self, request: Request, decision: str) -> None:
        async with self.process() as home:
            await home.answers(request, decision)


async def played(story: Restarting, text: str) -> ThreadState:
    """Ask, approve, come to rest."""
    thread = await story.begins(text)
    waiting = await story.goes_on(thread)
    assert waiting.request is not None
    assert (waiting.acting, waiting.request.agent) == ("helper", "helper")
    await story.answers(waiting.request, "approve")
    return await story.goes_on(thread)


async def replies(url: str, thread: str) -> list[str]:
    async with houses.house(Database.open(url), CommandModel(), desk=DESK, run="z") as home:
        await home.check_replay(thread)
        return [event.text for event in await home.log(thread) if event.type == "ReplyChosen"]


@EACH_DATABASE
async def test_without_a_model_the_story_survives_a_start_after_every_step(database_url: str) -> None:
    story = Restarting(database_url, CommandModel())
    ended = await played(story, "have v1 shipped")
    assert [what for _, what in story.workshop.done] == ["look", "ship v1"]
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
        story = Restarting(database_url, CommandModel(model))
        ended = await played(story, "could v1 go out today?")
        await model.close()
        assert [what for _, what in story.workshop.done] == ["look", "ship v1"]
        assert await replies(database_url, ended.thread_id) == ["It is out."]
        assert "get v1 out, would you</asked>" in fake.asked[1].user
        assert ["ask_agent" in str(asked.schema) for asked in fake.asked] == [True, False, False, True]


# When things go otherwise


async def test_a_denial_is_told_to_the_asked_agent_and_comes_back_in_its_words(database: Database, opened) -> None:
    async with opened(database, CommandModel()) as home:
        thread = await home.says("have v1 shipped")
        await home.answers(await home.asked(thread), "deny", comment="not on Friday")
        state = await home.at_rest(thread)
        assert await deeds(home) == []
        assert state.recent[-1].text == "Not done: Bob said no: not on Friday"


async def test_an_edit_goes_to_the_tool_of_the_agent_that_asked_for_approval(database: Database, opened) -> None:
    async with opened(database, CommandModel()) as home:
        thread = await home.says("have v1 shipped")
        request = await home.asked(thread)
        edit = Answer(
            by=person("bob"),
            channel=Address("terminal:bob"),
            assurance=Assurance.MEDIUM,
            decision="edit",
            arguments={"tag": "v2"},
        )
        await home.bot.deciding.answer(request.id, edit)
        await home.at_rest(thread)
        assert await deeds(home) == ["ship v2"]


async def test_a_message_is_heard_by_the_agent_at_work_and_never_approves(database: Database, opened) -> None:
    async with opened(database, CommandModel()) as home:
        thread = await home.says("have v1 shipped")
        first = await home.asked(thread)
        await home.says("yes, go ahead", thread=thread, by="bob")
        await home.says("ship v2", thread=thread)
        second = (await home.until(thread, lambda s: s.request and s.request.id != first.id)).request
        assert second is not None
        assert (second.agent, second.arguments) == ("helper", {"tag": "v2"})
        assert await deeds(home) == []


async def test_a_paused_thread_goes_on_in_the_same_hands(database: Database, opened) -> None:
    async with opened(database, CommandModel()) as home:
        thread = await home.says("have v1 shipped")
        request = await home.asked(thread)
        await home.bot.steering.pause(thread, person("bob"))
        await home.answers(request, "approve")
        assert await deeds(home) == []
        await home.bot.steering.resume(thread, person("bob"))
        await home.at_rest(thread)
        assert await deeds(home) == ["ship v1"]


async def test_a_message_to_a_thread_that_is_done_is_heard_by_its_own_agent(database: Database, opened) -> None:
    model = ScriptedModel(ASK, SHIPPED, TOLD, DoneForNow(message="Welcome."))
    async with opened(database, model) as home:
        thread = await home.says("please have v1 shipped")
        await home.at_rest(thread)
        await home.says("thanks", thread=thread)
        await home.until(thread, lambda s: getattr(s.recent[-1], "text", "") == "Welcome.")
    assert model.turns[-1].agent.name == "desk"


async def test_three_failures_in_a_row_of_the_asked_agent_hand_over_to_a_person(database: Database, house) -> None:
    workshop = Workshop()
    move = {"intent": "move"}
    model = ScriptedModel(ASK, move, move, move, SHIPPED, TOLD)
    async with house(database, model, desk=DESK, workshop=workshop) as home:
        workshop.trouble = [ToolError("stuck")] * 3
        thread = await home.says("please have it moved")
        request = await home.asked(thread)
        assert (request.purpose, request.agent) == ("handover", "helper")
        await home.answers(request, "answer", text="leave it", by="alice")
        await home.at_rest(thread)


async def test_the_budget_is_the_threads_and_when_it_is_not_extended_the_thread_ends(database: Database, house) -> None:
    model = ScriptedModel(ASK, {"intent": "look"})
    desk = replace(DESK, budget=Budget(steps=2))
    async with house(database, model, desk=desk) as home:
        thread = await home.says("please look around")
        request = await home.asked(thread)
        assert (request.tool, request.agent) == ("extend_budget", "helper")
        await home.answers(request, "deny")
        state = await home.at_rest(thread, "failed")
        assert (state.asked, state.acting) == ((), "desk")


# A process that ends while the asked agent's tool runs


class Stuck(Workshop):
    """Does what it is asked for, and never reports the first move."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.released = threading.Event(), threading.Event()

    def do(self, key: str, what: str) -> ToolResult:
        result = super().do(key, what)
        if what == "move" and not self.begun.is_set():
            self.begun.set()
            self.released.wait(30)
            raise ToolError("nobody is left to hear this")
        return result


async def killed(house, database_url: str, workshop: Stuck, *, cancelled: bool = False) -> str:
    """A thread whose worker died in the middle of the asked agent's move, and which a person then cancelled, or not."""
    model = ScriptedModel(ASK, {"intent": "move"})
    async with house(Database.open(database_url), model, desk=DESK, workshop=workshop) as home:
        thread = await home.says("please have it moved")
        await asyncio.to_thread(workshop.begun.wait, 20)
        await home.dies()
        workshop.released.set()
        assert (await home.story(thread))[-1] == "ToolStarted"
        if cancelled:
            await home.bot.steering.cancel(thread, person("bob"))
    return thread


async def test_a_deed_of_the_asked_agent_is_looked_for_by_its_own_check_after_a_crash(database_url: str, house) -> None:
    workshop = Stuck()
    thread = await killed(house, database_url, workshop)
    again = ScriptedModel(SHIPPED, TOLD)
    async with house(Database.open(database_url), again, desk=DESK, workshop=workshop, run="b") as home:
        await home.at_rest(thread)
        assert [what for _, what in workshop.done] == ["move"]
        await home.check_replay(thread)


async def test_also_when_the_thread_was_cancelled_and_is_in_nobodys_hands(database_url: str, house) -> None:
    workshop = Stuck()
    thread = await killed(house, database_url, workshop, cancelled=True)
    async with house(Database.open(database_url), ScriptedModel(), desk=DESK, workshop=workshop, run="b") as home:
        state = await home.until(thread, lambda s: s.call is None)
        assert (state.status, state.recent[-1].type) == ("cancelled", "ToolSucceeded")
        assert [what for _, what in workshop.done] == ["move"]
