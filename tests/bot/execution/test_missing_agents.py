"""Tests of threads whose agent or tool does not exist any more in the next process."""

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest

from agents.core.agent import Agent
from agents.core.policy import Policy
from agents.core.steps import AskAgent, DoneForNow
from agents.core.values import person_address
from bot.services.roster import Roster
from storage.database.database import Database
from tests.bot.conftest import on_every_setup
from tests.bot.test_crashes import CrashingTools
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.people import PEOPLE
from tests.harness.tools import ToolCallRecorder, build_tools

SHIP, DONE = {"intent": "ship", "tag": "v1"}, DoneForNow(message="Done.")


def build_oncall_agent(tool_call_recorder: ToolCallRecorder | None = None, **settings: Any) -> Agent:
    """Return the agent that is missing from some processes of a test."""
    tools = build_tools(tool_call_recorder or ToolCallRecorder())
    return Agent(name="oncall", purpose="helps", instructions="Help.", **{"tools": tools, **settings})


def list_log_lines(caplog: pytest.LogCaptureFixture, action: str) -> list[Any]:
    messages = (record.msg for record in caplog.records if record.name == "handrail")
    return [line for line in messages if isinstance(line, dict) and line["event"] == action]


async def test_thread_of_a_missing_agent_pauses_until_it_is_back(database_url: str, running_bot, caplog) -> None:
    async with running_bot(
        Database.open(database_url), ScriptedModel(DONE), main_agent=build_oncall_agent()
    ) as harness:
        thread_id = await harness.post_message("hello")
        await harness.wait_until_done(thread_id)
    with caplog.at_level(logging.INFO, "handrail"):
        async with running_bot(Database.open(database_url), id_prefix="b") as harness:
            await harness.post_message("are you there?", thread_id=thread_id)
            state = await harness.wait_for_status(thread_id, "paused")
            reply = [event.text for event in await harness.events(thread_id) if event.type == "ReplyChosen"][-1]
            assert reply == (
                "I am paused: the agent oncall does not exist here any more (there are: helper). Ask your operator to "
                f"add it again under this name, then resume this thread with `handrail threads resume {thread_id}`. "
                "Nothing is lost meanwhile."
            )
            assert "the agent oncall does not exist here any more" in (state.paused or "")
            await harness.bot.thread_control.resume(thread_id, person_address("bob"))
            await harness.wait_for_status(thread_id, "paused")
            await harness.check_replay(thread_id)
    missing = [(line["thread_id"], line["agent"]) for line in list_log_lines(caplog, "agent_missing")]
    assert (missing, list_log_lines(caplog, "run_failed")) == ([(thread_id, "oncall")] * 2, [])
    async with running_bot(
        Database.open(database_url), ScriptedModel(DONE), main_agent=build_oncall_agent(), id_prefix="c"
    ) as harness:
        await harness.bot.thread_control.resume(thread_id, person_address("bob"))
        await harness.wait_until_done(thread_id)
        await harness.check_replay(thread_id)


@on_every_setup
async def test_approved_call_of_a_missing_agent_runs_once_it_is_back(database_url: str, running_bot) -> None:
    tool_call_recorder = ToolCallRecorder()
    async with running_bot(
        Database.open(database_url), ScriptedModel(SHIP), main_agent=build_oncall_agent(tool_call_recorder)
    ) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
    async with running_bot(Database.open(database_url), id_prefix="b") as harness:
        await harness.answer_request(request, "approve")
        await harness.wait_for_status(thread_id, "paused")
    assert tool_call_recorder.runs == []
    async with running_bot(
        Database.open(database_url),
        ScriptedModel(DONE),
        main_agent=build_oncall_agent(tool_call_recorder),
        id_prefix="c",
    ) as harness:
        await harness.bot.thread_control.resume(thread_id, person_address("bob"))
        await harness.wait_until_done(thread_id)
    assert [action for _, action in tool_call_recorder.runs] == ["ship v1"]


async def crash_during_call(running_bot, database_url: str, *, is_cancelled: bool = False) -> tuple[str, CrashingTools]:
    """Crash the worker of a thread during a call, and cancel the thread if `is_cancelled`. Return its id and tools."""
    tool_call_recorder = CrashingTools(has_effect=True)
    model = ScriptedModel({"intent": "move"})
    async with running_bot(
        Database.open(database_url), model, main_agent=build_oncall_agent(tool_call_recorder)
    ) as harness:
        thread_id = await harness.post_message("move")
        await asyncio.to_thread(tool_call_recorder.run_started.wait, 20)
        await harness.crash()
        tool_call_recorder.may_return.set()
        if is_cancelled:
            await harness.bot.thread_control.cancel(thread_id, person_address("bob"))
    return thread_id, tool_call_recorder


async def test_started_call_of_a_missing_agent_is_checked_later(database_url: str, running_bot) -> None:
    thread_id, tool_call_recorder = await crash_during_call(running_bot, database_url)
    async with running_bot(Database.open(database_url), id_prefix="b") as harness:
        await harness.wait_for_status(thread_id, "paused")
    async with running_bot(
        Database.open(database_url),
        ScriptedModel(DONE),
        main_agent=build_oncall_agent(tool_call_recorder),
        id_prefix="c",
    ) as harness:
        await harness.bot.thread_control.resume(thread_id, person_address("bob"))
        await harness.wait_until_done(thread_id)
        assert "ToolOutcomeUnknown" not in await harness.event_types(thread_id)
    assert len(tool_call_recorder.runs) == 1


async def test_cancelled_thread_of_a_missing_agent_ends(database_url: str, running_bot) -> None:
    thread_id, _ = await crash_during_call(running_bot, database_url, is_cancelled=True)
    async with running_bot(Database.open(database_url), id_prefix="b") as harness:
        await harness.wait_until(
            thread_id, lambda state: state.current_call is not None and state.current_call.phase == "awaiting_approval"
        )
        assert (await harness.event_types(thread_id)).count("ToolOutcomeUnknown") == 1


async def test_missing_delegate_pauses_the_thread(database_url: str, running_bot) -> None:
    main_agent = Agent(name="boss", purpose="asks", instructions="Ask.", tools=())
    full_roster = Roster(
        {"boss": replace(main_agent, asks=("oncall",)), "oncall": build_oncall_agent()}, Policy(people=PEOPLE)
    )
    model = ScriptedModel(AskAgent(agent="oncall", message="look"), SHIP)
    async with running_bot(Database.open(database_url), model, roster=full_roster) as harness:
        thread_id = await harness.post_message("look")
        request = await harness.wait_for_request(thread_id)
    reduced_roster = Roster({"boss": main_agent}, Policy(people=PEOPLE))
    async with running_bot(Database.open(database_url), roster=reduced_roster, id_prefix="b") as harness:
        await harness.answer_request(request, "deny")
        assert "the agent oncall" in ((await harness.wait_for_status(thread_id, "paused")).paused or "")


async def test_removed_tool_of_an_approved_call_is_an_error_for_the_agent(
    database_url: str, running_bot, caplog
) -> None:
    async with running_bot(
        Database.open(database_url), ScriptedModel(SHIP), main_agent=build_oncall_agent()
    ) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
    with caplog.at_level(logging.INFO, "handrail"):
        async with running_bot(
            Database.open(database_url), ScriptedModel(DONE), main_agent=build_oncall_agent(tools=()), id_prefix="b"
        ) as harness:
            await harness.answer_request(request, "approve")
            await harness.wait_until_done(thread_id)
            failures = [event for event in await harness.events(thread_id) if event.type == "ToolFailed"]
            assert [event.error for event in failures] == [
                "the tool ship no longer exists, so the call did not run; use another tool, or tell the requester"
            ]
    assert [line["tool"] for line in list_log_lines(caplog, "tool_missing")] == ["ship"]


async def test_removed_tool_of_a_started_call_opens_a_question(database_url: str, running_bot, caplog) -> None:
    thread_id, _ = await crash_during_call(running_bot, database_url)
    async with running_bot(
        Database.open(database_url), main_agent=build_oncall_agent(tools=()), id_prefix="b"
    ) as harness:
        request = await harness.wait_for_request(thread_id)
        assert "I cannot tell whether it ran" in (request.question or "")


async def test_removed_prefetch_tool_does_not_block_its_thread(database_url: str, running_bot) -> None:
    async with running_bot(Database.open(database_url), main_agent=build_oncall_agent(prefetch=("look",))) as harness:
        await harness.crash()
        thread_id = await harness.post_message("hello")
    async with running_bot(
        Database.open(database_url), ScriptedModel(DONE), main_agent=build_oncall_agent(tools=()), id_prefix="b"
    ) as harness:
        await harness.wait_until_done(thread_id)
        assert "ToolStarted" not in await harness.event_types(thread_id)
