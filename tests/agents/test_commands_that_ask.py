"""Without a model too one agent asks another: each has errands of its own, and people are told what came of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.addresses import ENGINE
from agents.agent import Agent
from agents.command_model import CommandModel, menu
from agents.commands import Commands
from agents.completion import Outcome
from agents.errands import story_of
from agents.events import ReplyChosen, ThreadPaused
from agents.policy import Ask, Policy, Rule
from agents.reducer import MOST_REMEMBERED
from agents.steps import AskAgent, CallTool, DoneForNow
from agents.tools import ToolContext, ToolResult, tool
from tests.agents.conversation import PEOPLE, Conversation
from tests.fakes.scripted import ScriptedModel
from tests.histories import walks


@tool(effect="once", risk="high", ask=Ask(roles=("release",)))
def ship(context: ToolContext, version: str) -> ToolResult:
    """Ship a version."""
    return ToolResult(summary=f"{context.key} {version}")


@tool(effect="read")
def look(context: ToolContext) -> ToolResult:
    """Look around."""
    return ToolResult(summary=context.key)


def agent(name: str, *tools: Any, asks: tuple[str, ...] = (), **steps: str) -> Agent:
    """An agent that understands these words, `_` for a space, as these steps."""
    written = "\n".join(
        f'[[commands]]\nsay = ["{said.replace("_", " ").replace("VERSION", "{version}")}"]\ndoes = "it"\nstep = {step}'
        for said, step in steps.items()
    )
    return Agent(name=name, purpose="", instructions="", tools=tools, asks=asks, commands=Commands.parse(written))


HARBOUR = agent(
    "harbour",
    ship,
    look,
    asks=("weather",),
    ship_VERSION='{ intent = "ship", version = "{version}" }',
    look='{ intent = "look" }',
    ask_for_wind='{ intent = "ask_agent", agent = "weather", message = "wind" }',
    ask_for_circle='{ intent = "ask_agent", agent = "weather", message = "circle" }',
    cancel='{ intent = "done_for_now", message = "All right." }',
)
OFFICE = agent(
    "office",
    look,
    asks=("harbour",),
    order_VERSION='{ intent = "ask_agent", agent = "harbour", message = "ship {version}" }',
    whistle='{ intent = "ask_agent", agent = "harbour", message = "tra la la" }',
    see='{ intent = "ask_agent", agent = "harbour", message = "look" }',
    wind='{ intent = "ask_agent", agent = "harbour", message = "ask for wind" }',
    look='{ intent = "look" }',
    circle='{ intent = "ask_agent", agent = "harbour", message = "ask for circle" }',
    bother='{ intent = "ask_agent", agent = "nobody", message = "hello" }',
)
WEATHER = agent(
    "weather",
    look,
    asks=("office",),
    wind='{ intent = "look" }',
    circle='{ intent = "ask_agent", agent = "office", message = "look" }',
)


@pytest.fixture
def office() -> Conversation:
    return Conversation(OFFICE, CommandModel(), others=(HARBOUR, WEATHER))


def helped_by(*steps: Any) -> Conversation:
    return Conversation(OFFICE, CommandModel(ScriptedModel(*steps)), others=(HARBOUR, WEATHER))


async def test_what_is_asked_is_a_command_of_the_asked_agent(office: Conversation) -> None:
    office.says("order v1")
    assert await office.step() == AskAgent(agent="harbour", message="ship v1")
    assert await office.step() == CallTool(tool="ship", arguments={"version": "v1"})
    assert office.acting is HARBOUR


async def test_the_person_is_told_what_the_asked_agent_answered(office: Conversation) -> None:
    office.says("see")
    await office.step()
    await office.step()
    office.succeeds("a sail on the horizon")
    assert await office.step() == DoneForNow(message="a sail on the horizon")
    assert office.acting is OFFICE
    assert await office.replies() == "a sail on the horizon"


async def test_an_approval_the_asked_agent_needed_is_told_by_its_end(office: Conversation) -> None:
    office.says("order v1")
    await office.step()
    await office.step()
    office.answers("deny", comment="not today")
    await office.step()
    assert await office.replies() == "Not done: bob said no: not today"


async def test_agents_ask_each_other_two_deep(office: Conversation) -> None:
    office.says("wind")
    assert await office.step() == AskAgent(agent="harbour", message="ask for wind")
    assert await office.step() == AskAgent(agent="weather", message="wind")
    assert await office.step() == CallTool(tool="look", arguments={})
    office.succeeds("from the west")
    assert await office.step() == DoneForNow(message="from the west")
    assert await office.step() == DoneForNow(message="from the west")
    assert await office.replies() == "from the west"


async def test_an_agent_that_does_not_understand_answers_with_what_it_does(office: Conversation) -> None:
    office.says("whistle")
    await office.step()
    await office.step()
    assert await office.replies() == menu(HARBOUR)


async def test_a_command_that_asks_whom_it_may_not_is_told_so(office: Conversation) -> None:
    office.says("bother")
    assert await office.replies() == "I cannot do that: step.agent: unknown; you may ask: harbour"


async def test_asking_in_a_circle_is_refused_and_everybody_is_told_why(office: Conversation) -> None:
    office.says("circle")
    for _ in range(5):
        await office.step()
    refused = "I did not do that: office waits for an answer itself, so it cannot be asked now"
    assert await office.replies() == refused


async def test_words_that_both_agents_know_are_heard_by_the_one_at_work(office: Conversation) -> None:
    office.says("order v1")
    await office.step()
    await office.step()
    office.says("ship v2")
    assert await office.step() == CallTool(tool="ship", arguments={"version": "v2"})
    office.answers("approve")
    office.succeeds("v2 is out")
    await office.step()
    assert await office.replies() == "v2 is out"


async def test_what_was_withdrawn_from_the_asked_agent_is_told_as_it_put_it(office: Conversation) -> None:
    office.says("order v1")
    await office.step()
    await office.step()
    office.says("cancel")
    assert await office.step() == DoneForNow(message="All right.")
    assert await office.replies() == "All right."


async def test_the_same_can_be_asked_twice_and_each_time_is_told(office: Conversation) -> None:
    for seen in ("a sail", "two sails"):
        office.says("see")
        await office.step()
        await office.step()
        office.succeeds(seen)
        await office.step()
        assert await office.replies() == seen


async def test_two_commands_at_once_are_both_done_each_by_its_agent(office: Conversation) -> None:
    office.says("see")
    office.says("look")
    await office.step()
    assert await office.step() == CallTool(tool="look", arguments={})
    office.succeeds("a sail")
    await office.step()
    assert await office.step() == CallTool(tool="look", arguments={})
    assert office.acting is OFFICE
    office.succeeds("a desk")
    assert await office.replies() == "a sail\n\na desk"


async def test_what_is_asked_in_other_words_goes_to_the_model_and_its_answer_comes_back() -> None:
    office = helped_by(DoneForNow(message="I cannot sing."))
    office.says("whistle")
    await office.step()
    assert await office.step() == DoneForNow(message="I cannot sing.")
    assert await office.replies() == "I cannot sing."


async def test_a_model_may_ask_in_the_words_of_a_command() -> None:
    office = helped_by(AskAgent(agent="harbour", message="look"), DoneForNow(message="There is a sail."))
    office.says("what can you see from the window?")
    await office.step()
    assert await office.step() == CallTool(tool="look", arguments={})
    office.succeeds("a sail")
    assert await office.step() == DoneForNow(message="a sail")
    assert await office.replies() == "There is a sail."


# What is forgotten


async def test_a_command_that_was_carried_out_before_all_was_forgotten_is_not_carried_out_again(
    office: Conversation,
) -> None:
    office.says("order v1")
    await office.step()
    await office.step()
    for n in range(MOST_REMEMBERED):
        office.says(f"hm {n}")
    office.answers("approve")
    office.succeeds("v1 is out")
    assert await office.step() == DoneForNow(message="v1 is out")
    assert await office.replies() == "v1 is out"


async def test_a_pause_in_the_asked_agents_part_is_no_end_of_it(office: Conversation) -> None:
    """The reply that says why the thread is paused is the engine's, and nobody's answer."""
    office.says("order v1")
    await office.step()
    at = office.state.updated_at
    office.record(ReplyChosen(at=at, actor=ENGINE, text="I am paused."), ThreadPaused(at=at, actor=ENGINE, reason="no"))
    office.state = office.state.model_copy(update={"paused": None})
    assert await office.step() == CallTool(tool="ship", arguments={"version": "v1"})
    office.answers("approve")
    office.succeeds("v1 is out")
    await office.step()
    assert await office.replies() == "v1 is out"


async def test_a_thread_that_ended_in_another_agents_hands_begins_anew(office: Conversation) -> None:
    office.says("order v1")
    await office.step()
    await office.step()
    office.is_forked()
    office.says("see")
    assert await office.step() == AskAgent(agent="harbour", message="look")


async def test_an_asked_agents_approval_that_runs_out_and_ends_the_thread_is_told_when_somebody_writes_again(
    office: Conversation,
) -> None:
    halting = Rule(name="halt", tool="ship", ask=Ask(roles=("release",), on_expire="halt"))
    office.policy = Policy(people=PEOPLE, rules=(halting,))
    office.says("order v1")
    await office.step()
    await office.step()
    office.runs_out()
    assert (office.state.status, office.acting) == ("failed", OFFICE)
    office.says("see")
    assert await office.step() == AskAgent(agent="harbour", message="look")
    await office.step()
    office.succeeds("a sail")
    await office.step()
    assert await office.replies() == (
        "Nobody answered in time, so nothing was done: a timeout, not a refusal. Ask again if you want it.\n\na sail"
    )


async def test_a_rejected_answer_of_a_model_is_its_own_agents_matter() -> None:
    office = helped_by(DoneForNow(message="Better."))
    office.says("whistle")
    await office.step()
    office.is_rejected(Outcome.INVALID, "m")
    assert await office.step() == DoneForNow(message="Better.")
    assert await office.replies() == "Better."


@given(st.integers(1, 12))
async def test_however_much_is_forgotten_the_person_is_told_something(keep: int) -> None:
    office = Conversation(OFFICE, CommandModel(), others=(HARBOUR, WEATHER))
    office.says("see")
    await office.step()
    await office.step()
    office.succeeds("a sail")
    office.forgets(keep)
    assert await office.step() == DoneForNow(message="a sail")
    office.forgets(keep)
    assert await office.replies() == "a sail"


@given(walks(most=60))
def test_any_history_tells_the_agent_at_work_a_story(walk: Any) -> None:
    assert story_of(walk.state, walk.agent.commands).last in (None, *walk.state.recent)
