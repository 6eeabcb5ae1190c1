"""Reducing messages: a message re-opens a finished thread, and a delivered message is no longer pending."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings

from agents.core.events import (
    KnownEvent,
    MessageDeleted,
    MessageEdited,
    MessageUndeliverable,
    ReplyChosen,
    ThreadFinished,
    ThreadStarted,
)
from agents.core.messages import Provenance
from agents.core.next_step import CallModel, next_work, pending_sends
from agents.core.reducer import MAX_HISTORY_EVENTS, fold
from agents.core.state import ThreadState
from agents.core.steps import Await, CallTool
from agents.core.values import Address
from tests.agents.factories import (
    ALLOW_ALL,
    NOW,
    TERMINAL,
    after_step,
    after_tool_started,
    message_deleted,
    message_edited,
    message_received,
    message_sent,
    thread,
    thread_waiting_for_approval,
)
from tests.harness.people import ALICE, STRANGER
from tests.histories import RandomHistory, find_history, random_histories


def reply(text: str) -> ReplyChosen:
    return ReplyChosen(at=NOW, actor=Address("agent:walker"), text=text)


def test_reply_goes_to_the_origin() -> None:
    (pending,) = thread(reply("Done.")).pending_messages
    assert (pending.to, pending.message.text, pending.message.card, pending.request_id) == (
        TERMINAL,
        "Done.",
        None,
        None,
    )


def test_two_replies_are_two_ordered_messages() -> None:
    state = thread(reply("Done."), reply("Done."))
    assert len({effect.key for effect in pending_sends(state)}) == 2
    assert [effect.message.text for effect in pending_sends(thread(reply("one"), reply("two")))] == ["one", "two"]


def test_delivered_or_undeliverable_message_is_not_pending() -> None:
    state = thread(reply("one"), reply("two"))
    one, two = state.pending_messages
    undeliverable = MessageUndeliverable(at=NOW, actor=ALICE, key=two.key, to=two.to, reason="gone")
    assert fold(state, [message_sent(one)]).pending_messages == (two,)
    assert fold(state, [message_sent(one), undeliverable]).pending_messages == ()


def test_repeated_or_unknown_delivery_changes_nothing() -> None:
    state = thread(reply("one"))
    (one,) = state.pending_messages
    assert fold(state, [message_sent(one), message_sent(one)]).pending_messages == ()
    assert fold(thread(), [message_sent(one)]).pending_messages == ()


def test_message_reopens_a_finished_thread() -> None:
    done = thread(ThreadFinished(at=NOW, actor=ALICE, reason="done"))
    assert fold(done, [message_received("more")]).status == "running"


def test_message_ends_a_wait() -> None:
    waiting = after_step(thread(), Await(seconds=60, reason="tea"), ALLOW_ALL)
    state = fold(waiting, [message_received("now")])
    assert (state.status, state.timer_at, len(next_work(state))) == ("running", None, 1)


@pytest.mark.parametrize(
    "occupied",
    [
        thread_waiting_for_approval(),
        after_step(thread(), CallTool(tool="push", arguments={"where": "staging"}), ALLOW_ALL),
    ],
)
def test_message_during_a_request_or_call_is_only_recorded(occupied: ThreadState) -> None:
    state = fold(occupied, [message_received("by the way")])
    assert (state.status, state.current_call, state.needs_model) == (
        occupied.status,
        occupied.current_call,
        occupied.needs_model,
    )
    assert [effect.key for effect in next_work(state)] == [effect.key for effect in next_work(occupied)]


@pytest.mark.parametrize("provenance", list(Provenance))
def test_thread_is_trusted_until_an_untrusted_message(provenance: Provenance) -> None:
    state = thread(message_received("x", by=STRANGER, provenance=provenance))
    assert state.is_trusted == (provenance in (Provenance.VERIFIED_PERSON, Provenance.SYSTEM))


def test_trust_returns_when_the_content_leaves_the_history() -> None:
    foreign = message_received("x", by=STRANGER, provenance=Provenance.WEBHOOK)
    assert not thread(foreign, *[message_received("y")] * (MAX_HISTORY_EVENTS - 1)).is_trusted
    assert thread(foreign, *[message_received("y")] * MAX_HISTORY_EVENTS).is_trusted


# Edits and deletions


FIRST_MESSAGE = message_received("push it", ref="m1")
WITH_ALLOWED_CALL = after_step(thread(FIRST_MESSAGE), CallTool(tool="push", arguments={"where": "staging"}), ALLOW_ALL)
ALWAYS_CHANGING_FIELDS = {
    "version",
    "updated_at",
    "spent",
    "history",
    "dropped_events",
    "context_seq",
    "requesters",
    "requests",
}
"""Fields that any history event may change. Settled requests are dropped with the next event."""


@pytest.mark.parametrize("event", [message_edited("m1", "stop"), message_deleted("m1")], ids=["edit", "deletion"])
@pytest.mark.parametrize(
    ("state", "status"),
    [
        (thread(FIRST_MESSAGE, ThreadFinished(at=NOW, actor=ALICE, reason="done")), "done"),
        (thread(FIRST_MESSAGE, ThreadFinished(at=NOW, actor=ALICE, outcome="failed", reason="stuck")), "failed"),
        (after_step(thread(FIRST_MESSAGE), Await(seconds=60, reason="tea"), ALLOW_ALL), "waiting_for_time"),
        (thread_waiting_for_approval(), "waiting_for_human"),
        (WITH_ALLOWED_CALL, "running"),
        (after_tool_started(WITH_ALLOWED_CALL), "running"),
    ],
)
def test_edit_or_deletion_starts_no_work(state: ThreadState, status: str, event: KnownEvent) -> None:
    after = fold(state, [event])
    assert after.status == status
    assert next_work(after) == next_work(state)
    assert after.model_dump(exclude=ALWAYS_CHANGING_FIELDS) == state.model_dump(exclude=ALWAYS_CHANGING_FIELDS)


@pytest.mark.parametrize("event", [message_edited("m1", "stop"), message_deleted("m1")], ids=["edit", "deletion"])
def test_edit_or_deletion_changes_the_key_of_the_model_call(event: KnownEvent) -> None:
    (before,), (after,) = next_work(thread(FIRST_MESSAGE)), next_work(thread(FIRST_MESSAGE, event))
    assert (type(before), type(after)) == (CallModel, CallModel)
    assert before.key != after.key


@settings(suppress_health_check=list(HealthCheck))
@given(random_histories())
def test_edit_or_deletion_starts_no_work_in_any_history(history: RandomHistory) -> None:
    for before, event, after in zip(history.states, history.events, history.states[1:], strict=False):
        if isinstance(event, MessageEdited | MessageDeleted):
            assert after.model_dump(exclude=ALWAYS_CHANGING_FIELDS) == before.model_dump(exclude=ALWAYS_CHANGING_FIELDS)
            assert after.open_request == before.open_request


def test_random_histories_contain_superseding_edits() -> None:
    for kind in ("MessageEdited", "MessageDeleted"):
        pair = ("RequestSuperseded", kind)
        assert find_history(lambda history, pair=pair: pair in pairwise(event.type for event in history.events))


def test_get_message_returns_the_last_edit() -> None:
    state = thread(
        FIRST_MESSAGE,
        message_received("more", ref="m2"),
        message_edited("m1", "pull it"),
        message_edited("m1", "drop it"),
    )
    assert state.get_message("m1") == message_edited("m1", "drop it")
    assert state.get_message("m2") == message_received("more", ref="m2")


def test_get_message_returns_none_for_deleted_or_unknown_ones() -> None:
    assert thread(FIRST_MESSAGE, message_edited("m1", "pull it"), message_deleted("m1")).get_message("m1") is None
    assert thread(FIRST_MESSAGE, *[message_received("hm")] * MAX_HISTORY_EVENTS).get_message("m1") is None
    assert thread(message_received("hm")).get_message("m1") is None


@pytest.mark.parametrize("provenance", list(Provenance))
def test_edit_is_trusted_like_a_message(provenance: Provenance) -> None:
    said, new = message_received("x", ref="m1", provenance=provenance), message_edited("m1", "y", provenance=provenance)
    assert thread(FIRST_MESSAGE, new).is_trusted is thread(said).is_trusted


def test_deletion_does_not_restore_trust() -> None:
    said = message_received("x", by=STRANGER, ref="m2", provenance=Provenance.UNVERIFIED)
    assert not thread(said, message_deleted("m2", by=STRANGER, provenance=Provenance.UNVERIFIED)).is_trusted
    assert not thread(said, message_edited("m2", "y")).is_trusted


def test_title_of_a_thread_is_that_of_its_first_message() -> None:
    (started, *_) = thread_events = (
        ThreadStarted(at=NOW, actor=ALICE, thread_id="thr_1", agent="walker", origin=TERMINAL, requester=ALICE),
        message_received("go", title="Release"),
        message_received("go", title="Lunch"),
    )
    assert fold(ThreadState(), thread_events).title == "Release"
    assert fold(ThreadState(), (started, message_received("go"), *thread_events[1:])).title is None
