"""What should be in flight now? Asked of a state alone; the same state always wants the same, under the same keys."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from agents.budget import Budget
from agents.effects import AskHuman, CallModel, Prefetch, RecoverTool, RunTool
from agents.next_step import MAX_FAILURES, MAX_REPAIRS, exhausted_budget, next_work, pending_sends
from agents.reducer import fold
from agents.state import CurrentCall, ThreadState
from storage.codec import dump_state, parse_state
from tests.agents.factories import after_answer, message_received, seconds_later, thread, thread_with_approval
from tests.histories import RandomHistory, random_histories, wanted_effects

CALL = CurrentCall(
    call_id="call_1", tool="push", tool_version=1, effect="once", arguments={}, digest="d" * 64, phase="approved"
)


def state(**changed: Any) -> ThreadState:
    """A thread whose model is to be asked."""
    return thread().model_copy(update=changed)


def only(wanted: ThreadState) -> Any:
    (effect,) = next_work(wanted)
    return effect


def test_a_new_state_wants_nothing() -> None:
    assert wanted_effects(ThreadState()) == ()


def test_a_thread_with_a_message_wants_its_model_asked() -> None:
    assert next_work(thread()) == (CallModel(key="model:2:0"),)


def test_the_model_is_asked_once_for_each_thing_it_is_told() -> None:
    assert only(thread()).key != only(thread(message_received("and this"))).key
    assert only(state(retries=1)).key != only(state(retries=2)).key


def test_prefetches_come_before_the_model_one_at_a_time() -> None:
    assert next_work(state(prefetch=("look", "see"))) == (Prefetch(key="prefetch:look", tool="look"),)


def test_a_call_that_is_ready_runs_under_a_key_of_its_attempt() -> None:
    assert next_work(state(current_call=CALL)) == (RunTool(key="tool:call_1:1", call=CALL),)
    again = CALL.model_copy(update={"attempt": 1, "retry_at": seconds_later(30)})
    assert next_work(state(current_call=again)) == (
        RunTool(key="tool:call_1:2", call=again, not_before=seconds_later(30)),
    )


def test_a_call_people_are_asked_about_waits() -> None:
    assert next_work(state(current_call=CALL.model_copy(update={"phase": "awaiting_approval"}))) == ()


def test_a_paused_thread_finds_out_about_a_started_call_once_it_is_resumed() -> None:
    started = CALL.model_copy(update={"phase": "running", "attempt": 1})
    assert next_work(state(current_call=started, paused="wait")) == ()


@pytest.mark.parametrize("changed", [{}, {"lifecycle": "cancelled"}])
def test_what_became_of_a_started_call_is_found_out_also_when_the_thread_is_cancelled(changed: dict[str, Any]) -> None:
    started = CALL.model_copy(update={"phase": "running", "attempt": 1})
    assert next_work(state(current_call=started, **changed)) == (RecoverTool(key="recover:call_1:1", call=started),)


@pytest.mark.parametrize(
    "changed",
    [
        {"paused": "wait"},
        {"unreadable": "ThreadPainted"},
        {"lifecycle": "done"},
        {"lifecycle": "failed"},
        {"lifecycle": "cancelled"},
        {"timer_at": seconds_later(60)},
        {"needs_model": False},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_nothing_new_is_started_in_a_thread_that_rests(changed: dict[str, Any]) -> None:
    assert next_work(state(**changed)) == ()
    if changed != {"needs_model": False}:
        assert next_work(state(current_call=CALL, **changed)) == ()
        assert next_work(state(prefetch=("look",), **changed)) == ()


def test_a_thread_this_build_cannot_read_wants_nothing_at_all() -> None:
    started = CALL.model_copy(update={"phase": "running", "attempt": 1})
    unread = thread_with_approval(shown_to=()).model_copy(
        update={"unreadable": "ThreadPainted", "current_call": started}
    )
    assert unread.pending_messages
    assert wanted_effects(unread) == ()


def test_while_people_are_asked_nothing_else_is_wanted() -> None:
    assert next_work(thread_with_approval()) == ()


def test_an_approved_call_is_wanted() -> None:
    assert isinstance(only(after_answer(thread_with_approval())), RunTool)


def test_messages_go_out_whatever_the_thread_does() -> None:
    asking = thread_with_approval(shown_to=())
    for changed in ({}, {"paused": "wait"}, {"lifecycle": "cancelled"}):
        assert [m.key for m in pending_sends(asking.model_copy(update=changed))] == [
            m.key for m in asking.pending_messages
        ]


def test_a_step_is_repaired_twice_and_three_failures_are_too_many() -> None:
    assert (MAX_REPAIRS, MAX_FAILURES) == (2, 3)


@pytest.mark.parametrize(("name", "most"), [("repairs", MAX_REPAIRS + 1), ("failures", MAX_FAILURES)])
def test_several_failures_in_a_row_hand_over_to_a_person(name: str, most: int) -> None:
    assert isinstance(only(state(**{name: most - 1})), CallModel)
    stuck = only(state(**{name: most}))
    assert isinstance(stuck, AskHuman)
    assert (stuck.key, stuck.reason, stuck.kind) == ("stuck:2", "stuck", None)


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
    assert exhausted_budget(wanted) == kind
    assert isinstance(only(wanted), AskHuman if kind else CallModel)
    if kind:
        assert (only(wanted).key, only(wanted).reason, only(wanted).kind) == (f"budget:{kind}:2", "budget", kind)


def test_without_a_limit_there_is_none_to_reach() -> None:
    assert exhausted_budget(state(spent=Budget(steps=1e9, tokens=1e9, usd=1e9, wall_clock=1e9))) is None


def test_a_call_in_hand_is_finished_whatever_the_budget() -> None:
    assert isinstance(only(state(current_call=CALL, budget=Budget(steps=0))), RunTool)


def test_a_retry_is_held_back_until_its_time() -> None:
    assert only(state(retries=1, retry_at=seconds_later(30))).not_before == seconds_later(30)
    assert only(state()).not_before is None


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(random_histories(max_moves=30))
def test_the_same_state_wants_the_same_in_any_process(walk: RandomHistory) -> None:
    for seen in walk.states:
        wanted = wanted_effects(seen)
        assert wanted_effects(parse_state(dump_state(seen))) == wanted
        assert len({effect.key for effect in wanted}) == len(wanted)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(random_histories(max_moves=30))
def test_asking_changes_nothing(walk: RandomHistory) -> None:
    before = dump_state(walk.state)
    wanted_effects(walk.state)
    assert dump_state(walk.state) == before
    assert fold(walk.state, []) is walk.state
