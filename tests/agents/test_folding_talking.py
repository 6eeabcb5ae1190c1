"""Folding talk: what people say wakes a thread that rests, and what is sent is wanted no longer."""

import pytest

from agents.addresses import Address
from agents.events import MessageUndeliverable, ReplyChosen, ThreadFinished
from agents.messages import Provenance
from agents.next_step import messages, work
from agents.policy import Policy, Rule
from agents.reducer import fold
from agents.state import ThreadState
from agents.steps import Await, CallTool
from tests.agents.samples import ALICE, NOW, PEOPLE, STRANGER, TERMINAL, asking_thread, message, stepped, taken, thread

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
def test_a_thread_is_trusted_until_somebody_unverified_spoke(provenance: Provenance) -> None:
    state = thread(message("x", by=STRANGER, provenance=provenance))
    assert state.trusted == (provenance in (Provenance.VERIFIED_PERSON, Provenance.SYSTEM))


def test_trust_once_lost_does_not_come_back() -> None:
    state = thread(message("x", by=STRANGER, provenance=Provenance.WEBHOOK), message("y"))
    assert not state.trusted
