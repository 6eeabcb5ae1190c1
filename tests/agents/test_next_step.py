"""What should be in flight now? Asked of a state alone; the same state always wants the same, under the same keys."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from agents.budget import Budget
from agents.effects import AskHuman, CallModel, Prefetch, RecoverTool, RunTool
from agents.next_step import MOST_FAILURES, MOST_REPAIRS, exhausted, messages, next_step, work
from agents.reducer import fold
from agents.state import OpenCall, ThreadState
from storage.codec import state_json, state_of
from tests.agents.samples import after, answered, asking_thread, message, thread
from tests.histories import Walk, walks

CALL = OpenCall(
    call_id="call_1", tool="push", tool_version=1, effect="once", arguments={}, digest="d" * 64, phase="ready"
)


def state(**changed: Any) -> ThreadState:
    """A thread whose model is to be asked."""
    return thread().model_copy(update=changed)


def only(wanted: ThreadState) -> Any:
    (effect,) = work(wanted)
    return effect


def test_a_new_state_wants_nothing() -> None:
    assert next_step(ThreadState()) == ()


def test_a_thread_with_a_message_wants_its_model_asked() -> None:
    assert work(thread()) == (CallModel(key="model:2:0"),)


def test_the_model_is_asked_once_for_each_thing_it_is_told() -> None:
    assert only(thread()).key != only(thread(message("and this"))).key
    assert only(state(retries=1)).key != only(state(retries=2)).key


def test_prefetches_come_before_the_model_one_at_a_time() -> None:
    assert work(state(prefetch=("look", "see"))) == (Prefetch(key="prefetch:look", tool="look"),)


def test_a_call_that_is_ready_runs_under_a_key_of_its_attempt() -> None:
    assert work(state(call=CALL)) == (RunTool(key="tool:call_1:1", call=CALL),)
    again = CALL.model_copy(update={"attempt": 1, "retry_at": after(30)})
    assert work(state(call=again)) == (RunTool(key="tool:call_1:2", call=again, not_before=after(30)),)


def test_a_call_people_are_asked_about_waits() -> None:
    assert work(state(call=CALL.model_copy(update={"phase": "asked"}))) == ()


def test_a_paused_thread_finds_out_about_a_started_call_once_it_is_resumed() -> None:
    started = CALL.model_copy(update={"phase": "started", "attempt": 1})
    assert work(state(call=started, paused="wait")) == ()


@pytest.mark.parametrize("changed", [{}, {"life": "cancelled"}])
def test_what_became_of_a_started_call_is_found_out_also_when_the_thread_is_cancelled(changed: dict[str, Any]) -> None:
    started = CALL.model_copy(update={"phase": "started", "attempt": 1})
    assert work(state(call=started, **changed)) == (RecoverTool(key="recover:call_1:1", call=started),)


@pytest.mark.parametrize(
    "changed",
    [
        {"paused": "wait"},
        {"unreadable": "ThreadPainted"},
        {"life": "done"},
        {"life": "failed"},
        {"life": "cancelled"},
        {"fires_at": after(60)},
        {"models_turn": False},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_nothing_new_is_started_in_a_thread_that_rests(changed: dict[str, Any]) -> None:
    assert work(state(**changed)) == ()
    if changed != {"models_turn": False}:
        assert work(state(call=CALL, **changed)) == ()
        assert work(state(prefetch=("look",), **changed)) == ()


def test_a_thread_this_build_cannot_read_wants_nothing_at_all() -> None:
    started = CALL.model_copy(update={"phase": "started", "attempt": 1})
    unread = asking_thread(shown_to=()).model_copy(update={"unreadable": "ThreadPainted", "call": started})
    assert unread.outgoing
    assert next_step(unread) == ()


def test_while_people_are_asked_nothing_else_is_wanted() -> None:
    assert work(asking_thread()) == ()


def test_an_approved_call_is_wanted() -> None:
    assert isinstance(only(answered(asking_thread())), RunTool)


def test_messages_go_out_whatever_the_thread_does() -> None:
    asking = asking_thread(shown_to=())
    for changed in ({}, {"paused": "wait"}, {"life": "cancelled"}):
        assert [m.key for m in messages(asking.model_copy(update=changed))] == [m.key for m in asking.outgoing]


def test_a_step_is_repaired_twice_and_three_failures_are_too_many() -> None:
    assert (MOST_REPAIRS, MOST_FAILURES) == (2, 3)


@pytest.mark.parametrize(("name", "most"), [("repairs", MOST_REPAIRS + 1), ("failures", MOST_FAILURES)])
def test_several_failures_in_a_row_hand_over_to_a_person(name: str, most: int) -> None:
    assert isinstance(only(state(**{name: most - 1})), CallModel)
    stuck = only(state(**{name: most}))
    assert isinstance(stuck, AskHuman)
    assert (stuck.key, stuck.why, stuck.kind) == ("stuck:2", "stuck", None)


@pytest.mark.parametrize(
    ("spent", "kind"),
    [
        ({"steps": 2}, None),
        ({"steps": 3}, "steps"),
        ({"steps": 4}, "steps"),
        ({"tokens": 100}, "tokens"),
        ({"usd": 0.99}, None),
        ({"usd": 1.0}, "usd"),
        ({"wall_clock": 60.0}, "wall_clock"),
        ({"usd": 5.0, "tokens": 200}, "tokens"),
    ],
)
def test_a_limit_that_is_reached_asks_before_the_model_is_asked(spent: dict[str, float], kind: str | None) -> None:
    limits = Budget(steps=3, tokens=100, usd=1.0, wall_clock=60)
    wanted = state(budget=limits, spent=thread().spent.model_copy(update=spent))
    assert exhausted(wanted) == kind
    assert isinstance(only(wanted), AskHuman if kind else CallModel)
    if kind:
        assert (only(wanted).key, only(wanted).why, only(wanted).kind) == (f"budget:{kind}:2", "budget", kind)


def test_without_a_limit_there_is_none_to_reach() -> None:
    assert exhausted(state(spent=Budget(steps=1e9, tokens=1e9, usd=1e9, wall_clock=1e9))) is None


def test_a_call_in_hand_is_finished_whatever_the_budget() -> None:
    assert isinstance(only(state(call=CALL, budget=Budget(steps=0))), RunTool)


def test_a_retry_is_held_back_until_its_time() -> None:
    assert only(state(retries=1, retry_at=after(30))).not_before == after(30)
    assert only(state()).not_before is None


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(walks(most=30))
def test_the_same_state_wants_the_same_in_any_process(walk: Walk) -> None:
    for seen in walk.states:
        wanted = next_step(seen)
        assert next_step(state_of(state_json(seen))) == wanted
        assert len({effect.key for effect in wanted}) == len(wanted)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(walks(most=30))
def test_asking_changes_nothing(walk: Walk) -> None:
    before = state_json(walk.state)
    next_step(walk.state)
    assert state_json(walk.state) == before
    assert fold(walk.state, []) is walk.state
