"""Tests of edited and deleted messages with the command model: the latest text counts until a step is chosen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.steps import AskAgent, CallTool, DoneForNow, NothingToDo, Step
from agents.llm.offline.history import command_history
from agents.llm.offline.model import CommandModel, help_text
from tests.agents.conversation import Conversation
from tests.agents.llm.offline.test_offline_delegation import HARBOUR, OFFICE
from tests.agents.llm.offline.test_offline_model import AGENT
from tests.fakes.scripted_model import ScriptedModel

TEXTS = st.sampled_from(["ship v1 to sea", "list 2 ships", "hm"])
WITHDRAWN_REPLY = "I withdrew the request; nothing was done."


@pytest.fixture
def offline_thread() -> Conversation:
    """Return a thread without a fallback model."""
    return Conversation(AGENT, CommandModel())


def thread_with_fallback(*steps: Step) -> Conversation:
    """Return a thread with a fallback model behind the commands."""
    return Conversation(AGENT, CommandModel(ScriptedModel(*steps)))


def ship_call(version: str) -> CallTool:
    return CallTool(tool="ship", arguments={"version": version, "place": "sea"})


def list_ships_call(limit: int) -> CallTool:
    return CallTool(tool="list_ships", arguments={"limit": limit})


# Before a step


async def test_edited_command_runs_with_its_new_text(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 2 ships", ref="m1")
    offline_thread.edit_message("m1", "list 3 ships")
    offline_thread.edit_message("m1", "list 4 ships")
    assert await offline_thread.next_step() == list_ships_call(4)
    offline_thread.succeed_tool("four")
    assert await offline_thread.run_model_to_reply() == "four"


async def test_comment_becomes_a_command_by_an_edit(offline_thread: Conversation) -> None:
    offline_thread.post_message("lsit 2 ships", ref="m1")
    offline_thread.edit_message("m1", "list 2 ships")
    assert await offline_thread.next_step() == list_ships_call(2)


async def test_command_becomes_a_comment_by_an_edit(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea", ref="m1")
    offline_thread.edit_message("m1", "never mind")
    assert await offline_thread.run_model_to_reply() == help_text(AGENT)


async def test_edited_command_keeps_its_position(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 1 ships", ref="m1")
    offline_thread.post_message("list 2 ships", ref="m2")
    offline_thread.edit_message("m1", "list 4 ships")
    assert await offline_thread.next_step() == list_ships_call(4)
    offline_thread.succeed_tool("four")
    assert await offline_thread.next_step() == list_ships_call(2)


async def test_pending_command_can_be_edited(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 1 ships", ref="m1")
    offline_thread.post_message("list 2 ships", ref="m2")
    await offline_thread.next_step()
    offline_thread.edit_message("m2", "list 4 ships")
    offline_thread.succeed_tool("one")
    assert await offline_thread.next_step() == list_ships_call(4)


async def test_deleted_command_does_not_run(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea", ref="m1")
    offline_thread.post_message("list 2 ships", ref="m2")
    offline_thread.edit_message("m1", text=None)
    assert await offline_thread.next_step() == list_ships_call(2)
    offline_thread.succeed_tool("two")
    assert await offline_thread.run_model_to_reply() == "two"


async def test_deleted_comment_does_not_reach_the_fallback() -> None:
    thread = thread_with_fallback()
    thread.post_message("list 2 ships")
    await thread.next_step()
    thread.post_message("do they float?", ref="m2")
    thread.edit_message("m2", text=None)
    thread.succeed_tool("two")
    assert await thread.run_model_to_reply() == "two"


@pytest.mark.parametrize(
    "thread", [Conversation(AGENT, CommandModel()), thread_with_fallback()], ids=["without fallback", "with fallback"]
)
async def test_nothing_happens_when_all_messages_are_deleted(thread: Conversation) -> None:
    thread.post_message("ship v1 to sea", ref="m1")
    thread.post_message("hello", ref="m2")
    thread.edit_message("m2", text=None)
    thread.edit_message("m1", text=None)
    assert await thread.next_step() == NothingToDo(reason="the message was deleted")
    assert thread.state.status == "done"


@given(st.lists(st.tuples(st.sampled_from(["m1", "m2", "m3"]), st.none() | TEXTS), max_size=12))
def test_latest_text_counts_until_a_step_is_chosen(edits: list[tuple[str, str | None]]) -> None:
    thread, without_edits, latest = Conversation(AGENT, CommandModel()), Conversation(AGENT, CommandModel()), {}
    for ref, text in edits:
        if ref in latest:
            thread.edit_message(ref, text)
        else:
            thread.post_message(text or "hello", ref=ref)
        latest[ref] = None if latest.get(ref, "") is None else text if ref in latest else text or "hello"
    for ref, text in latest.items():
        if text is not None:
            without_edits.post_message(text, ref=ref)
    assert (
        command_history(thread.state, AGENT.commands).unhandled
        == command_history(without_edits.state, AGENT.commands).unhandled
    )


# During an approval


async def test_edit_that_supersedes_a_request_is_the_new_command(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1 to sea", ref="m1")
    await offline_thread.next_step()
    offline_thread.edit_message("m1", "ship v2 to sea")
    assert await offline_thread.next_step() == ship_call("v2")
    offline_thread.answer_request("approve")
    offline_thread.succeed_tool("all aboard", {"hour": 9})
    assert await offline_thread.run_model_to_reply() == "sea runs v2 since 9: all aboard"


async def test_edited_old_comment_that_supersedes_is_the_new_command(offline_thread: Conversation) -> None:
    offline_thread.post_message("hello", ref="m1")
    offline_thread.post_message("ship v1 to sea", ref="m2")
    await offline_thread.next_step()
    offline_thread.edit_message("m1", "ship v3 to sea")
    assert await offline_thread.next_step() == ship_call("v3")


async def test_deletion_during_an_approval_is_reported_as_withdrawn() -> None:
    for thread in (Conversation(AGENT, CommandModel()), thread_with_fallback()):
        thread.post_message("ship v1 to sea", ref="m1")
        await thread.next_step()
        thread.edit_message("m1", text=None)
        assert thread.state.open_request is None
        assert await thread.run_model_to_reply() == WITHDRAWN_REPLY


# After the result


async def test_done_command_does_not_run_again_after_an_edit(
    offline_thread: Conversation,
) -> None:
    for text in ("list 5 ships", None):
        offline_thread.post_message("list 2 ships", ref=f"m{text}")
        assert await offline_thread.next_step() == list_ships_call(2)
        offline_thread.edit_message(f"m{text}", text)
        offline_thread.succeed_tool("two")
        assert await offline_thread.run_model_to_reply() == "two"


async def test_late_edit_goes_to_the_fallback() -> None:
    thread = thread_with_fallback(DoneForNow(message="Two, and yes, they float."))
    thread.post_message("list 2 ships", ref="m1")
    await thread.next_step()
    thread.edit_message("m1", "list 2 ships, do they float?")
    thread.succeed_tool("two")
    assert await thread.run_model_to_reply() == "Two, and yes, they float."


async def test_repeated_late_edits_do_not_run_a_command(offline_thread: Conversation) -> None:
    offline_thread.post_message("list 2 ships", ref="m1")
    await offline_thread.next_step()
    offline_thread.edit_message("m1", "hm")
    offline_thread.edit_message("m1", "list 5 ships")
    offline_thread.succeed_tool("two")
    assert await offline_thread.run_model_to_reply() == "two"


async def test_edit_after_the_reply_runs_no_command(offline_thread: Conversation) -> None:
    offline_thread.post_message("hello", ref="m1")
    await offline_thread.run_model_to_reply()
    offline_thread.edit_message("m1", "ship v1 to sea")
    assert (offline_thread.state.status, offline_thread.state.needs_model) == ("done", False)
    offline_thread.post_message("list 2 ships")
    assert await offline_thread.next_step() == list_ships_call(2)
    offline_thread.succeed_tool("two")
    assert await offline_thread.run_model_to_reply() == "two"


async def test_edited_answer_is_not_given_again(offline_thread: Conversation) -> None:
    offline_thread.post_message("ship v1", ref="m1")
    await offline_thread.next_step()
    offline_thread.post_message("sea", ref="m2")
    offline_thread.edit_message("m2", "moon")
    assert await offline_thread.next_step() == ship_call("v1")


async def test_fallback_continues_its_work_after_an_edit() -> None:
    thread = thread_with_fallback(list_ships_call(2), DoneForNow(message="The Argo."))
    thread.post_message("what floats?", ref="m1")
    await thread.next_step()
    thread.edit_message("m1", "list 5 ships")
    thread.succeed_tool("two")
    assert await thread.run_model_to_reply() == "The Argo."


async def test_fallback_continues_its_work_after_a_deletion() -> None:
    thread = thread_with_fallback(list_ships_call(2))
    thread.post_message("what floats?", ref="m1")
    await thread.next_step()
    thread.edit_message("m1", text=None)
    assert not command_history(thread.state, AGENT.commands).has_only_deleted_messages


# Delegation


async def office_after_edit_in_delegation(text: str | None) -> Conversation:
    """Send two commands to office, and edit or delete the second one while harbour is active for the first."""
    office = Conversation(OFFICE, CommandModel(), others=(HARBOUR,))
    office.post_message("see", ref="m1")
    office.post_message("look", ref="m2")
    await office.next_step()
    office.edit_message("m2", text)
    assert await office.next_step() == CallTool(tool="look", arguments={})
    assert office.active_agent is HARBOUR
    office.succeed_tool("a sail")
    await office.next_step()
    return office


async def test_pending_command_can_be_edited_during_a_delegation() -> None:
    office = await office_after_edit_in_delegation("order v1")
    assert await office.next_step() == AskAgent(agent="harbour", message="ship v1")


async def test_pending_command_can_be_deleted_during_a_delegation() -> None:
    office = await office_after_edit_in_delegation(None)
    assert await office.run_model_to_reply() == "a sail"


async def test_deleted_message_does_not_withdraw_a_delegation() -> None:
    office = Conversation(OFFICE, CommandModel(), others=(HARBOUR,))
    office.post_message("whistle")
    await office.next_step()
    office.post_message("hm", ref="m2")
    office.edit_message("m2", text=None)
    assert await office.next_step() == DoneForNow(message=help_text(HARBOUR))
