"""Without a model too a message is understood as it was last put, as long as nobody has acted upon it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.command_model import CommandModel, menu
from agents.errands import story_of
from agents.steps import AskAgent, CallTool, DoneForNow, NothingToDo, Step
from tests.agents.conversation import Conversation
from tests.agents.test_command_model import AGENT
from tests.agents.test_commands_that_ask import HARBOUR, OFFICE
from tests.fakes.scripted import ScriptedModel

WORDS = st.sampled_from(["ship v1 to sea", "list 2 ships", "hm"])
WITHDRAWN = "I withdrew that; nothing was done."


@pytest.fixture
def alone() -> Conversation:
    """A thread without any other model."""
    return Conversation(AGENT, CommandModel())


def helped_by(*steps: Step) -> Conversation:
    """A thread with a model behind the commands."""
    return Conversation(AGENT, CommandModel(ScriptedModel(*steps)))


def ship(version: str) -> CallTool:
    return CallTool(tool="ship", arguments={"version": version, "place": "sea"})


def listing(limit: int) -> CallTool:
    return CallTool(tool="list_ships", arguments={"limit": limit})


# Before anything was done


async def test_a_command_is_the_one_it_was_edited_into(alone: Conversation) -> None:
    alone.says("list 2 ships", ref="m1")
    alone.rewords("m1", "list 3 ships")
    alone.rewords("m1", "list 4 ships")
    assert await alone.step() == listing(4)
    alone.succeeds("four")
    assert await alone.replies() == "four"


async def test_a_remark_becomes_a_command_by_its_edit(alone: Conversation) -> None:
    alone.says("lsit 2 ships", ref="m1")
    alone.rewords("m1", "list 2 ships")
    assert await alone.step() == listing(2)


async def test_a_command_becomes_a_remark_by_its_edit(alone: Conversation) -> None:
    alone.says("ship v1 to sea", ref="m1")
    alone.rewords("m1", "never mind")
    assert await alone.replies() == menu(AGENT)


async def test_an_edited_command_keeps_its_place_among_others(alone: Conversation) -> None:
    alone.says("list 1 ships", ref="m1")
    alone.says("list 2 ships", ref="m2")
    alone.rewords("m1", "list 4 ships")
    assert await alone.step() == listing(4)
    alone.succeeds("four")
    assert await alone.step() == listing(2)


async def test_a_command_that_waits_behind_another_one_may_still_be_edited(alone: Conversation) -> None:
    alone.says("list 1 ships", ref="m1")
    alone.says("list 2 ships", ref="m2")
    await alone.step()
    alone.rewords("m2", "list 4 ships")
    alone.succeeds("one")
    assert await alone.step() == listing(4)


async def test_a_deleted_command_was_never_given(alone: Conversation) -> None:
    alone.says("ship v1 to sea", ref="m1")
    alone.says("list 2 ships", ref="m2")
    alone.rewords("m1", None)
    assert await alone.step() == listing(2)
    alone.succeeds("two")
    assert await alone.replies() == "two"


async def test_a_remark_that_was_deleted_is_nothing_to_think_about() -> None:
    thread = helped_by()
    thread.says("list 2 ships")
    await thread.step()
    thread.says("do they float?", ref="m2")
    thread.rewords("m2", None)
    thread.succeeds("two")
    assert await thread.replies() == "two"


@pytest.mark.parametrize("thread", [Conversation(AGENT, CommandModel()), helped_by()], ids=["alone", "helped"])
async def test_when_all_was_taken_back_nothing_is_done_and_nobody_is_bothered(thread: Conversation) -> None:
    thread.says("ship v1 to sea", ref="m1")
    thread.says("hello", ref="m2")
    thread.rewords("m2", None)
    thread.rewords("m1", None)
    assert await thread.step() == NothingToDo(reason="what was said was taken back")
    assert thread.state.status == "done"


@given(st.lists(st.tuples(st.sampled_from(["m1", "m2", "m3"]), st.none() | WORDS), max_size=12))
def test_until_something_is_done_what_was_said_is_what_stands(changes: list[tuple[str, str | None]]) -> None:
    thread, anew, stands = Conversation(AGENT, CommandModel()), Conversation(AGENT, CommandModel()), {}
    for ref, text in changes:
        if ref in stands:
            thread.rewords(ref, text)
        else:
            thread.says(text or "hello", ref=ref)
        stands[ref] = None if stands.get(ref, "") is None else text if ref in stands else text or "hello"
    for ref, text in stands.items():
        if text is not None:
            anew.says(text, ref=ref)
    assert story_of(thread.state, AGENT.commands).said == story_of(anew.state, AGENT.commands).said


# While people are asked


async def test_an_edit_that_supersedes_is_the_new_command(alone: Conversation) -> None:
    alone.says("ship v1 to sea", ref="m1")
    await alone.step()
    alone.rewords("m1", "ship v2 to sea")
    assert await alone.step() == ship("v2")
    alone.answers("approve")
    alone.succeeds("all aboard", {"hour": 9})
    assert await alone.replies() == "sea runs v2 since 9: all aboard"


async def test_an_old_remark_that_supersedes_by_its_edit_is_the_new_command(alone: Conversation) -> None:
    alone.says("hello", ref="m1")
    alone.says("ship v1 to sea", ref="m2")
    await alone.step()
    alone.rewords("m1", "ship v3 to sea")
    assert await alone.step() == ship("v3")


async def test_a_message_that_was_taken_back_while_people_decide_is_told_as_withdrawn() -> None:
    for thread in (Conversation(AGENT, CommandModel()), helped_by()):
        thread.says("ship v1 to sea", ref="m1")
        await thread.step()
        thread.rewords("m1", None)
        assert thread.state.request is None
        assert await thread.replies() == WITHDRAWN


# Too late


async def test_what_was_done_is_told_and_not_done_again_whatever_becomes_of_its_message(alone: Conversation) -> None:
    for text in ("list 5 ships", None):
        alone.says("list 2 ships", ref=f"m{text}")
        assert await alone.step() == listing(2)
        alone.rewords(f"m{text}", text)
        alone.succeeds("two")
        assert await alone.replies() == "two"


async def test_an_edit_that_comes_too_late_is_for_the_model_when_there_is_one() -> None:
    thread = helped_by(DoneForNow(message="Two, and yes, they float."))
    thread.says("list 2 ships", ref="m1")
    await thread.step()
    thread.rewords("m1", "list 2 ships, do they float?")
    thread.succeeds("two")
    assert await thread.replies() == "Two, and yes, they float."


async def test_a_message_that_was_acted_upon_stays_so_however_often_it_is_edited(alone: Conversation) -> None:
    alone.says("list 2 ships", ref="m1")
    await alone.step()
    alone.rewords("m1", "hm")
    alone.rewords("m1", "list 5 ships")
    alone.succeeds("two")
    assert await alone.replies() == "two"


async def test_an_edit_wakes_no_command_that_rests(alone: Conversation) -> None:
    alone.says("hello", ref="m1")
    await alone.replies()
    alone.rewords("m1", "ship v1 to sea")
    assert (alone.state.status, alone.state.models_turn) == ("done", False)
    alone.says("list 2 ships")
    assert await alone.step() == listing(2)
    alone.succeeds("two")
    assert await alone.replies() == "two"


async def test_an_answer_is_not_given_again_by_its_edit(alone: Conversation) -> None:
    alone.says("ship v1", ref="m1")
    await alone.step()
    alone.says("sea", ref="m2")
    alone.rewords("m2", "moon")
    assert await alone.step() == ship("v1")


async def test_what_another_model_has_begun_it_goes_on_with_whatever_is_edited() -> None:
    thread = helped_by(listing(2), DoneForNow(message="The Argo."))
    thread.says("what floats?", ref="m1")
    await thread.step()
    thread.rewords("m1", "list 5 ships")
    thread.succeeds("two")
    assert await thread.replies() == "The Argo."


async def test_what_another_model_has_begun_was_not_all_taken_back() -> None:
    thread = helped_by(listing(2))
    thread.says("what floats?", ref="m1")
    await thread.step()
    thread.rewords("m1", None)
    assert not story_of(thread.state, AGENT.commands).taken_back


# Agents that ask each other


async def reworded_while_harbour_looks(text: str | None) -> Conversation:
    """Office was told two things; the second is edited or deleted while harbour works at the first."""
    office = Conversation(OFFICE, CommandModel(), others=(HARBOUR,))
    office.says("see", ref="m1")
    office.says("look", ref="m2")
    await office.step()
    office.rewords("m2", text)
    assert await office.step() == CallTool(tool="look", arguments={})
    assert office.acting is HARBOUR
    office.succeeds("a sail")
    await office.step()
    return office


async def test_what_waits_for_one_agent_may_be_edited_while_another_is_at_work() -> None:
    office = await reworded_while_harbour_looks("order v1")
    assert await office.step() == AskAgent(agent="harbour", message="ship v1")


async def test_what_waits_for_one_agent_may_be_deleted_while_another_is_at_work() -> None:
    office = await reworded_while_harbour_looks(None)
    assert await office.replies() == "a sail"


async def test_what_an_agent_was_asked_is_not_taken_back_with_what_people_said_meanwhile() -> None:
    office = Conversation(OFFICE, CommandModel(), others=(HARBOUR,))
    office.says("whistle")
    await office.step()
    office.says("hm", ref="m2")
    office.rewords("m2", None)
    assert await office.step() == DoneForNow(message=menu(HARBOUR))
