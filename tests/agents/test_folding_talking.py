"""Folding talk: what people say wakes a thread that rests, and what is sent is wanted no longer."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings

from agents.addresses import Address
from agents.effects import CallModel
from agents.events import KnownEvent, MessageDeleted, MessageEdited, MessageUndeliverable, ReplyChosen, ThreadFinished
from agents.messages import Provenance
from agents.next_step import messages, work
from agents.policy import Policy, Rule
from agents.reducer import MOST_REMEMBERED, fold
from agents.state import ThreadState
from agents.steps import Await, CallTool
from tests.agents.samples import (
    ALICE,
    NOW,
    PEOPLE,
    STRANGER,
    TERMINAL,
    asking_thread,
    deleted,
    edited,
    message,
    started,
    stepped,
    taken,
    thread,
)
from tests.histories import Walk, some_walk, walks

FREE = Policy(people=PEOPLE, rules=(Rule(name="free", tool="*"),))


def reply(text: str) -> ReplyChosen:
    return ReplyChosen(at=NOW, actor=Address("agent:walker"), text=text)


def test_a_reply_leaves_where_the_thread_came_from() -> None:
    (sent,) = thread(reply("Done.")).outgoing
    assert (sent.to, sent.message.text, sent.message.card, sent.request_id) == (TERMINAL, "Done.", None, None)


def test_two_replies_are_two_messages_in_order() -> None:
    state = thread(reply("Done."), reply("Done."))
    assert len({effect.key for effect in messages(state)}) == 2
    assert [effect.message.text for effect in messages(thread(reply("one"), reply("two")))] == ["one", "two"]


def test_a_message_that_was_taken_or_never_will_be_is_wanted_no_longer() -> None:
    state = thread(reply("one"), reply("two"))
    one, two = state.outgoing
    gone = MessageUndeliverable(at=NOW, actor=ALICE, key=two.key, to=two.to, reason="gone")
    assert fold(state, [taken(one)]).outgoing == (two,)
    assert fold(state, [taken(one), gone]).outgoing == ()


def test_a_message_taken_twice_or_never_wanted_changes_nothing() -> None:
    state = thread(reply("one"))
    (one,) = state.outgoing
    assert fold(state, [taken(one), taken(one)]).outgoing == ()
    assert fold(thread(), [taken(one)]).outgoing == ()


def test_a_message_reopens_a_thread_that_is_done() -> None:
    done = thread(ThreadFinished(at=NOW, actor=ALICE, reason="done"))
    assert fold(done, [message("more")]).status == "running"


def test_a_message_ends_a_wait() -> None:
    sleeping = stepped(thread(), Await(seconds=60, reason="tea"), FREE)
    state = fold(sleeping, [message("now")])
    assert (state.status, state.fires_at, len(work(state))) == ("running", None, 1)


@pytest.mark.parametrize(
    "busy", [asking_thread(), stepped(thread(), CallTool(tool="push", arguments={"where": "staging"}), FREE)]
)
def test_a_message_while_people_are_asked_or_a_tool_is_in_hand_is_only_heard(busy: ThreadState) -> None:
    state = fold(busy, [message("by the way")])
    assert (state.status, state.call, state.models_turn) == (busy.status, busy.call, busy.models_turn)
    assert [effect.key for effect in work(state)] == [effect.key for effect in work(busy)]


@pytest.mark.parametrize("provenance", list(Provenance))
def test_a_thread_is_trusted_until_an_unverified_address_speaks(provenance: Provenance) -> None:
    state = thread(message("x", by=STRANGER, provenance=provenance))
    assert state.is_trusted == (provenance in (Provenance.VERIFIED_PERSON, Provenance.SYSTEM))


def test_trust_comes_back_once_the_content_has_left_the_context() -> None:
    foreign = message("x", by=STRANGER, provenance=Provenance.WEBHOOK)
    assert not thread(foreign, *[message("y")] * (MOST_REMEMBERED - 1)).is_trusted
    assert thread(foreign, *[message("y")] * MOST_REMEMBERED).is_trusted


# What becomes of a message


SAID = message("push it", ref="m1")
BUSY = stepped(thread(SAID), CallTool(tool="push", arguments={"where": "staging"}), FREE)
MOVED_BY_NONE = {"version", "updated_at", "spent", "recent", "forgotten", "context_seq", "requesters", "requests"}
"""What any event that is remembered may change. Settled requests leave a state with whatever comes next."""


@pytest.mark.parametrize("event", [edited("m1", "stop"), deleted("m1")], ids=["edit", "deletion"])
@pytest.mark.parametrize(
    ("state", "status"),
    [
        (thread(SAID, ThreadFinished(at=NOW, actor=ALICE, reason="done")), "done"),
        (thread(SAID, ThreadFinished(at=NOW, actor=ALICE, outcome="failed", reason="stuck")), "failed"),
        (stepped(thread(SAID), Await(seconds=60, reason="tea"), FREE), "waiting_for_time"),
        (asking_thread(), "waiting_for_human"),
        (BUSY, "running"),
        (started(BUSY), "running"),
    ],
)
def test_an_edit_or_a_deletion_moves_nothing(state: ThreadState, status: str, event: KnownEvent) -> None:
    after = fold(state, [event])
    assert after.status == status
    assert work(after) == work(state)
    assert after.model_dump(exclude=MOVED_BY_NONE) == state.model_dump(exclude=MOVED_BY_NONE)


@pytest.mark.parametrize("event", [edited("m1", "stop"), deleted("m1")], ids=["edit", "deletion"])
def test_what_a_model_thinks_about_is_thought_about_anew_when_it_changes(event: KnownEvent) -> None:
    (before,), (after,) = work(thread(SAID)), work(thread(SAID, event))
    assert (type(before), type(after)) == (CallModel, CallModel)
    assert before.key != after.key


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(walks())
def test_in_any_history_an_edit_or_a_deletion_moves_nothing(walk: Walk) -> None:
    for before, event, after in zip(walk.states, walk.events, walk.states[1:], strict=False):
        if isinstance(event, MessageEdited | MessageDeleted):
            assert after.model_dump(exclude=MOVED_BY_NONE) == before.model_dump(exclude=MOVED_BY_NONE)
            assert after.request == before.request


def test_there_are_histories_in_which_an_edit_and_a_deletion_supersede() -> None:
    for kind in ("MessageEdited", "MessageDeleted"):
        pair = ("RequestSuperseded", kind)
        assert some_walk(lambda walk, pair=pair: pair in pairwise(event.type for event in walk.events))


def test_a_message_stands_as_it_was_last_edited() -> None:
    state = thread(SAID, message("more", ref="m2"), edited("m1", "pull it"), edited("m1", "drop it"))
    assert state.message_named("m1") == edited("m1", "drop it")
    assert state.message_named("m2") == message("more", ref="m2")


def test_a_message_that_was_deleted_or_forgotten_or_never_heard_stands_nowhere() -> None:
    assert thread(SAID, edited("m1", "pull it"), deleted("m1")).message_named("m1") is None
    assert thread(SAID, *[message("hm")] * MOST_REMEMBERED).message_named("m1") is None
    assert thread(message("hm")).message_named("m1") is None


@pytest.mark.parametrize("provenance", list(Provenance))
def test_an_edit_is_trusted_no_more_than_a_message(provenance: Provenance) -> None:
    said, new = message("x", ref="m1", provenance=provenance), edited("m1", "y", provenance=provenance)
    assert thread(SAID, new).is_trusted is thread(said).is_trusted


def test_trust_is_not_given_back_by_taking_a_text_back() -> None:
    said = message("x", by=STRANGER, ref="m2", provenance=Provenance.UNVERIFIED)
    assert not thread(said, deleted("m2", by=STRANGER, provenance=Provenance.UNVERIFIED)).is_trusted
    assert not thread(said, edited("m2", "y")).is_trusted
