"""An agent or a tool that the next process no longer has: its threads wait for it, or say that it is gone."""

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest

from agents.addresses import person
from agents.agent import Agent
from agents.policy import Policy
from agents.steps import AskAgent, DoneForNow
from bot.roster import Roster
from storage.database import Database
from tests.bot.test_crashes import DyingWorkshop
from tests.fakes.scripted import ScriptedModel
from tests.houses import PEOPLE, Workshop, tools_of

SHIP, DONE = {"intent": "ship", "tag": "v1"}, DoneForNow(message="Done.")


def oncall(workshop: Workshop | None = None, **settings: Any) -> Agent:
    """The agent that is there before and after, and not in between."""
    tools = tools_of(workshop or Workshop())
    return Agent(name="oncall", purpose="helps", instructions="Help.", **{"tools": tools, **settings})


def lines(caplog: pytest.LogCaptureFixture, action: str) -> list[Any]:
    messages = (record.msg for record in caplog.records if record.name == "handrail")
    return [line for line in messages if isinstance(line, dict) and line["event"] == action]


async def test_thread_of_a_missing_agent_pauses_until_it_is_back(database_url: str, house, caplog) -> None:
    async with house(Database.open(database_url), ScriptedModel(DONE), desk=oncall()) as home:
        thread = await home.says("hello")
        await home.at_rest(thread)
    with caplog.at_level(logging.INFO, "handrail"):
        async with house(Database.open(database_url), run="b") as home:
            await home.says("are you there?", thread=thread)
            state = await home.at_rest(thread, "paused")
            told = [event.text for event in await home.log(thread) if event.type == "ReplyChosen"][-1]
            assert told == (
                "I am paused: the agent oncall does not exist here any more (there are: helper). Ask your operator to "
                f"bring it back under this name, then resume this thread with `handrail threads resume {thread}`. "
                "Nothing is lost meanwhile."
            )
            assert "the agent oncall does not exist here any more" in (state.paused or "")
            await home.bot.steering.resume(thread, person("bob"))
            await home.at_rest(thread, "paused")
            await home.check_replay(thread)
    missing = [(line["thread_id"], line["agent"]) for line in lines(caplog, "agent_missing")]
    assert (missing, lines(caplog, "wakeup_failed")) == ([(thread, "oncall")] * 2, [])
    async with house(Database.open(database_url), ScriptedModel(DONE), desk=oncall(), run="c") as home:
        await home.bot.steering.resume(thread, person("bob"))
        await home.at_rest(thread)
        await home.check_replay(thread)


async def test_approved_call_of_a_missing_agent_runs_once_it_is_back(database_url: str, house) -> None:
    workshop = Workshop()
    async with house(Database.open(database_url), ScriptedModel(SHIP), desk=oncall(workshop)) as home:
        thread = await home.says("ship v1")
        request = await home.asked(thread)
    async with house(Database.open(database_url), run="b") as home:
        await home.answers(request, "approve")
        await home.at_rest(thread, "paused")
    assert workshop.done == []
    async with house(Database.open(database_url), ScriptedModel(DONE), desk=oncall(workshop), run="c") as home:
        await home.bot.steering.resume(thread, person("bob"))
        await home.at_rest(thread)
    assert [what for _, what in workshop.done] == ["ship v1"]


async def started_call(house, database_url: str, *, is_cancelled: bool = False) -> tuple[str, DyingWorkshop]:
    """Return a thread whose process ended in the middle of a call, perhaps cancelled since."""
    workshop = DyingWorkshop(happened=True)
    model = ScriptedModel({"intent": "move"})
    async with house(Database.open(database_url), model, desk=oncall(workshop)) as home:
        thread = await home.says("move")
        await asyncio.to_thread(workshop.begun.wait, 20)
        await home.dies()
        workshop.released.set()
        if is_cancelled:
            await home.bot.steering.cancel(thread, person("bob"))
    return thread, workshop


async def test_started_call_of_a_missing_agent_is_looked_for_later(database_url: str, house) -> None:
    thread, workshop = await started_call(house, database_url)
    async with house(Database.open(database_url), run="b") as home:
        await home.at_rest(thread, "paused")
    async with house(Database.open(database_url), ScriptedModel(DONE), desk=oncall(workshop), run="c") as home:
        await home.bot.steering.resume(thread, person("bob"))
        await home.at_rest(thread)
        assert "ToolOutcomeUnknown" not in await home.story(thread)
    assert len(workshop.done) == 1


async def test_cancelled_thread_of_a_missing_agent_comes_to_its_end(database_url: str, house) -> None:
    thread, _ = await started_call(house, database_url, is_cancelled=True)
    async with house(Database.open(database_url), run="b") as home:
        await home.until(thread, lambda s: s.call is not None and s.call.phase == "asked")
        assert (await home.story(thread)).count("ToolOutcomeUnknown") == 1


async def test_agent_asked_by_another_may_be_the_missing_one(database_url: str, house) -> None:
    boss = Agent(name="boss", purpose="asks", instructions="Ask.", tools=())
    both = Roster({"boss": replace(boss, asks=("oncall",)), "oncall": oncall()}, Policy(people=PEOPLE))
    model = ScriptedModel(AskAgent(agent="oncall", message="look"), SHIP)
    async with house(Database.open(database_url), model, roster=both) as home:
        thread = await home.says("look")
        request = await home.asked(thread)
    alone = Roster({"boss": boss}, Policy(people=PEOPLE))
    async with house(Database.open(database_url), roster=alone, run="b") as home:
        await home.answers(request, "deny")
        assert "the agent oncall" in ((await home.at_rest(thread, "paused")).paused or "")


async def test_removed_tool_of_an_approved_call_is_told_to_the_agent(database_url: str, house, caplog) -> None:
    async with house(Database.open(database_url), ScriptedModel(SHIP), desk=oncall()) as home:
        thread = await home.says("ship v1")
        request = await home.asked(thread)
    with caplog.at_level(logging.INFO, "handrail"):
        async with house(Database.open(database_url), ScriptedModel(DONE), desk=oncall(tools=()), run="b") as home:
            await home.answers(request, "approve")
            await home.at_rest(thread)
            failed = [event for event in await home.log(thread) if event.type == "ToolFailed"]
            assert [event.error for event in failed] == [
                "the tool ship does not exist here any more, so it did not run; use another one, or say so"
            ]
    assert [line["tool"] for line in lines(caplog, "tool_missing")] == ["ship"]


async def test_removed_tool_of_a_started_call_is_asked_about(database_url: str, house, caplog) -> None:
    thread, _ = await started_call(house, database_url)
    async with house(Database.open(database_url), desk=oncall(tools=()), run="b") as home:
        request = await home.asked(thread)
        assert "I cannot tell whether it ran" in (request.question or "")


async def test_removed_prefetch_tool_does_not_hold_up_its_thread(database_url: str, house) -> None:
    async with house(Database.open(database_url), desk=oncall(prefetch=("look",))) as home:
        await home.dies()
        thread = await home.says("hello")
    async with house(Database.open(database_url), ScriptedModel(DONE), desk=oncall(tools=()), run="b") as home:
        await home.at_rest(thread)
        assert "ToolStarted" not in await home.story(thread)
