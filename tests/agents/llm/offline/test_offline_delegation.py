"""Tests of delegation with the command model: each agent runs its own commands and reports their results."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.agent import Agent
from agents.core.commands import Commands
from agents.core.completion import CompletionOutcome
from agents.core.events import ReplyChosen, ThreadPaused
from agents.core.policy import ApprovalTerms, Policy, Rule
from agents.core.reducer import MAX_HISTORY_EVENTS
from agents.core.steps import AskAgent, CallTool, DoneForNow
from agents.core.tools import ToolContext, ToolResult, tool
from agents.core.values import ENGINE
from agents.llm.offline.history import command_history
from agents.llm.offline.model import CommandModel, help_text
from tests.agents.conversation import Conversation
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.people import PEOPLE
from tests.histories import random_histories


@tool(effect="once", risk="high", ask=ApprovalTerms(roles=("release",)))
def ship(context: ToolContext, version: str) -> ToolResult:
    """Ship a version."""
    return ToolResult(summary=f"{context.key} {version}")


@tool(effect="read")
def look(context: ToolContext) -> ToolResult:
    """Look around."""
    return ToolResult(summary=context.key)


def agent(name: str, *tools: Any, asks: tuple[str, ...] = (), **steps: str) -> Agent:
    """Return an agent whose commands are these names (`_` for a space) with these steps."""
    toml = "\n".join(
        f'[[commands]]\nsay = ["{name.replace("_", " ").replace("VERSION", "{version}")}"]\ndoes = "it"\nstep = {step}'
        for name, step in steps.items()
    )
    return Agent(name=name, purpose="", instructions="", tools=tools, asks=asks, commands=Commands.parse(toml))


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


def thread_with_fallback(*steps: Any) -> Conversation:
    return Conversation(OFFICE, CommandModel(ScriptedModel(*steps)), others=(HARBOUR, WEATHER))


async def test_delegated_message_runs_the_delegates_command(office: Conversation) -> None:
    office.post_message("order v1")
    assert await office.next_step() == AskAgent(agent="harbour", message="ship v1")
    assert await office.next_step() == CallTool(tool="ship", arguments={"version": "v1"})
    assert office.active_agent is HARBOUR


async def test_delegates_answer_is_in_the_reply(office: Conversation) -> None:
    office.post_message("see")
    await office.next_step()
    await office.next_step()
    office.succeed_tool("a sail on the horizon")
    assert await office.next_step() == DoneForNow(message="a sail on the horizon")
    assert office.active_agent is OFFICE
    assert await office.run_model_to_reply() == "a sail on the horizon"


async def test_delegates_approval_is_reported_by_its_outcome(office: Conversation) -> None:
    office.post_message("order v1")
    await office.next_step()
    await office.next_step()
    office.answer_request("deny", comment="not today")
    await office.next_step()
    assert await office.run_model_to_reply() == "Not done: bob denied it: not today"


async def test_delegation_works_two_levels_deep(office: Conversation) -> None:
    office.post_message("wind")
    assert await office.next_step() == AskAgent(agent="harbour", message="ask for wind")
    assert await office.next_step() == AskAgent(agent="weather", message="wind")
    assert await office.next_step() == CallTool(tool="look", arguments={})
    office.succeed_tool("from the west")
    assert await office.next_step() == DoneForNow(message="from the west")
    assert await office.next_step() == DoneForNow(message="from the west")
    assert await office.run_model_to_reply() == "from the west"


async def test_delegate_answers_an_unknown_message_with_its_help(office: Conversation) -> None:
    office.post_message("whistle")
    await office.next_step()
    await office.next_step()
    assert await office.run_model_to_reply() == help_text(HARBOUR)


async def test_delegation_to_an_unknown_agent_is_reported(office: Conversation) -> None:
    office.post_message("bother")
    assert await office.run_model_to_reply() == "I cannot do that: step.agent: unknown; you may ask: harbour"


async def test_circular_delegation_is_rejected_with_the_reason(office: Conversation) -> None:
    office.post_message("circle")
    for _ in range(5):
        await office.next_step()
    rejection = "I did not do that: office is waiting for an answer itself, so it cannot be asked now"
    assert await office.run_model_to_reply() == rejection


async def test_command_of_both_agents_goes_to_the_active_one(office: Conversation) -> None:
    office.post_message("order v1")
    await office.next_step()
    await office.next_step()
    office.post_message("ship v2")
    assert await office.next_step() == CallTool(tool="ship", arguments={"version": "v2"})
    office.answer_request("approve")
    office.succeed_tool("v2 is out")
    await office.next_step()
    assert await office.run_model_to_reply() == "v2 is out"


async def test_withdrawal_is_reported_in_the_words_of_the_delegate(office: Conversation) -> None:
    office.post_message("order v1")
    await office.next_step()
    await office.next_step()
    office.post_message("cancel")
    assert await office.next_step() == DoneForNow(message="All right.")
    assert await office.run_model_to_reply() == "All right."


async def test_same_delegation_twice_replies_twice(office: Conversation) -> None:
    for sighting in ("a sail", "two sails"):
        office.post_message("see")
        await office.next_step()
        await office.next_step()
        office.succeed_tool(sighting)
        await office.next_step()
        assert await office.run_model_to_reply() == sighting


async def test_two_commands_run_in_their_own_agents(office: Conversation) -> None:
    office.post_message("see")
    office.post_message("look")
    await office.next_step()
    assert await office.next_step() == CallTool(tool="look", arguments={})
    office.succeed_tool("a sail")
    await office.next_step()
    assert await office.next_step() == CallTool(tool="look", arguments={})
    assert office.active_agent is OFFICE
    office.succeed_tool("a desk")
    assert await office.run_model_to_reply() == "a sail\n\na desk"


async def test_fallback_handles_an_unknown_delegated_message() -> None:
    office = thread_with_fallback(DoneForNow(message="I cannot sing."))
    office.post_message("whistle")
    await office.next_step()
    assert await office.next_step() == DoneForNow(message="I cannot sing.")
    assert await office.run_model_to_reply() == "I cannot sing."


async def test_fallback_can_delegate_with_a_commands_text() -> None:
    office = thread_with_fallback(AskAgent(agent="harbour", message="look"), DoneForNow(message="There is a sail."))
    office.post_message("what can you see from the window?")
    await office.next_step()
    assert await office.next_step() == CallTool(tool="look", arguments={})
    office.succeed_tool("a sail")
    assert await office.next_step() == DoneForNow(message="a sail")
    assert await office.run_model_to_reply() == "There is a sail."


# Dropped history


async def test_delegated_command_runs_once_after_history_is_dropped(
    office: Conversation,
) -> None:
    office.post_message("order v1")
    await office.next_step()
    await office.next_step()
    for n in range(MAX_HISTORY_EVENTS):
        office.post_message(f"hm {n}")
    office.answer_request("approve")
    office.succeed_tool("v1 is out")
    assert await office.next_step() == DoneForNow(message="v1 is out")
    assert await office.run_model_to_reply() == "v1 is out"


async def test_pause_does_not_end_the_delegation(office: Conversation) -> None:
    """The engine's reply with the reason of the pause is not an answer of the delegate."""
    office.post_message("order v1")
    await office.next_step()
    at = office.state.updated_at
    office.record(ReplyChosen(at=at, actor=ENGINE, text="I am paused."), ThreadPaused(at=at, actor=ENGINE, reason="no"))
    office.state = office.state.model_copy(update={"paused": None})
    assert await office.next_step() == CallTool(tool="ship", arguments={"version": "v1"})
    office.answer_request("approve")
    office.succeed_tool("v1 is out")
    await office.next_step()
    assert await office.run_model_to_reply() == "v1 is out"


async def test_fork_during_a_delegation_starts_without_it(office: Conversation) -> None:
    office.post_message("order v1")
    await office.next_step()
    await office.next_step()
    office.fork()
    office.post_message("see")
    assert await office.next_step() == AskAgent(agent="harbour", message="look")


async def test_expired_delegate_approval_is_reported_at_the_next_message(
    office: Conversation,
) -> None:
    halting = Rule(name="halt", tool="ship", ask=ApprovalTerms(roles=("release",), on_expire="halt"))
    office.policy = Policy(people=PEOPLE, rules=(halting,))
    office.post_message("order v1")
    await office.next_step()
    await office.next_step()
    office.expire_request()
    assert (office.state.status, office.active_agent) == ("failed", OFFICE)
    office.post_message("see")
    assert await office.next_step() == AskAgent(agent="harbour", message="look")
    await office.next_step()
    office.succeed_tool("a sail")
    await office.next_step()
    assert await office.run_model_to_reply() == (
        "The request expired without an answer, so nothing was done. Ask again if you still want it.\n\na sail"
    )


async def test_rejected_model_answer_belongs_to_its_agent() -> None:
    office = thread_with_fallback(DoneForNow(message="Better."))
    office.post_message("whistle")
    await office.next_step()
    office.reject_step(CompletionOutcome.INVALID, "m")
    assert await office.next_step() == DoneForNow(message="Better.")
    assert await office.run_model_to_reply() == "Better."


@given(st.integers(1, 12))
async def test_reply_is_never_empty_after_history_is_dropped(keep: int) -> None:
    office = Conversation(OFFICE, CommandModel(), others=(HARBOUR, WEATHER))
    office.post_message("see")
    await office.next_step()
    await office.next_step()
    office.succeed_tool("a sail")
    office.drop_history(keep)
    assert await office.next_step() == DoneForNow(message="a sail")
    office.drop_history(keep)
    assert await office.run_model_to_reply() == "a sail"


@given(random_histories(max_moves=60))
def test_any_history_gives_a_command_history(history: Any) -> None:
    assert command_history(history.state, history.agent.commands).last_event in (None, *history.state.history)
