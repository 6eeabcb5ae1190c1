"""Effects are computed from the state alone; equal states give equal effects with equal keys."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from agents.core.completion import Budget
from agents.core.next_step import (
    MAX_FAILURES,
    MAX_REPAIRS,
    AskHuman,
    CallModel,
    Prefetch,
    RecoverTool,
    RunTool,
    exhausted_budget,
    next_work,
    pending_sends,
)
from agents.core.reducer import fold
from agents.core.state import CurrentCall, ThreadState
from storage.codec import dump_state, parse_state
from tests.agents.factories import after_answer, message_received, seconds_later, thread, thread_waiting_for_approval
from tests.histories import RandomHistory, random_histories, wanted_effects

CALL = CurrentCall(
    call_id="call_1", tool="push", tool_version=1, effect="once", arguments={}, digest="d" * 64, phase="approved"
)


def state(**changed: Any) -> ThreadState:
    """Return a thread that needs a model call, with some fields changed."""
    return thread().model_copy(update=changed)


def get_only_effect(wanted: ThreadState) -> Any:
    (effect,) = next_work(wanted)
    return effect


def test_new_state_wants_no_effects() -> None:
    assert wanted_effects(ThreadState()) == ()


def test_message_leads_to_a_model_call() -> None:
    assert next_work(thread()) == (CallModel(key="model:2:0"),)


def test_model_call_key_changes_with_each_event_and_retry() -> None:
    assert get_only_effect(thread()).key != get_only_effect(thread(message_received("and this"))).key
    assert get_only_effect(state(retries=1)).key != get_only_effect(state(retries=2)).key


def test_prefetches_come_before_the_model_one_at_a_time() -> None:
    assert next_work(state(prefetch=("look", "see"))) == (Prefetch(key="prefetch:look", tool="look"),)


def test_approved_call_runs_with_the_key_of_its_attempt() -> None:
    assert next_work(state(current_call=CALL)) == (RunTool(key="tool:call_1:1", call=CALL),)
    again = CALL.model_copy(update={"attempt": 1, "retry_at": seconds_later(30)})
    assert next_work(state(current_call=again)) == (
        RunTool(key="tool:call_1:2", call=again, not_before=seconds_later(30)),
    )


def test_call_awaiting_approval_does_not_run() -> None:
    assert next_work(state(current_call=CALL.model_copy(update={"phase": "awaiting_approval"}))) == ()


def test_paused_thread_does_not_recover_a_running_call() -> None:
    started = CALL.model_copy(update={"phase": "running", "attempt": 1})
    assert next_work(state(current_call=started, paused="wait")) == ()


@pytest.mark.parametrize("changed", [{}, {"lifecycle": "cancelled"}])
def test_running_call_is_recovered_even_if_cancelled(changed: dict[str, Any]) -> None:
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
def test_idle_thread_starts_no_work(changed: dict[str, Any]) -> None:
    assert next_work(state(**changed)) == ()
    if changed != {"needs_model": False}:
        assert next_work(state(current_call=CALL, **changed)) == ()
        assert next_work(state(prefetch=("look",), **changed)) == ()


def test_unreadable_thread_wants_no_effects() -> None:
    started = CALL.model_copy(update={"phase": "running", "attempt": 1})
    unreadable_state = thread_waiting_for_approval(shown_to=()).model_copy(
        update={"unreadable": "ThreadPainted", "current_call": started}
    )
    assert unreadable_state.pending_messages
    assert wanted_effects(unreadable_state) == ()


def test_open_request_blocks_other_work() -> None:
    assert next_work(thread_waiting_for_approval()) == ()


def test_approved_call_is_wanted() -> None:
    assert isinstance(get_only_effect(after_answer(thread_waiting_for_approval())), RunTool)


def test_messages_are_sent_in_every_status() -> None:
    waiting = thread_waiting_for_approval(shown_to=())
    for changed in ({}, {"paused": "wait"}, {"lifecycle": "cancelled"}):
        assert [m.key for m in pending_sends(waiting.model_copy(update=changed))] == [
            m.key for m in waiting.pending_messages
        ]


def test_limits_are_two_repairs_and_three_failures() -> None:
    assert (MAX_REPAIRS, MAX_FAILURES) == (2, 3)


@pytest.mark.parametrize(("name", "limit"), [("repairs", MAX_REPAIRS + 1), ("failures", MAX_FAILURES)])
def test_repeated_failures_ask_a_person_for_help(name: str, limit: int) -> None:
    assert isinstance(get_only_effect(state(**{name: limit - 1})), CallModel)
    stuck = get_only_effect(state(**{name: limit}))
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
def test_reached_budget_asks_people_before_the_model_call(spent: dict[str, float], kind: str | None) -> None:
    limits = Budget(steps=3, tokens=100, usd=1.0, wall_clock=60)
    wanted = state(budget=limits, spent=thread().spent.model_copy(update=spent))
    assert exhausted_budget(wanted) == kind
    assert isinstance(get_only_effect(wanted), AskHuman if kind else CallModel)
    if kind:
        assert (get_only_effect(wanted).key, get_only_effect(wanted).reason, get_only_effect(wanted).kind) == (
            f"budget:{kind}:2",
            "budget",
            kind,
        )


def test_budget_without_limits_is_never_exhausted() -> None:
    assert exhausted_budget(state(spent=Budget(steps=1e9, tokens=1e9, usd=1e9, wall_clock=1e9))) is None


def test_current_call_runs_despite_an_exhausted_budget() -> None:
    assert isinstance(get_only_effect(state(current_call=CALL, budget=Budget(steps=0))), RunTool)


def test_retry_is_delayed_until_its_time() -> None:
    assert get_only_effect(state(retries=1, retry_at=seconds_later(30))).not_before == seconds_later(30)
    assert get_only_effect(state()).not_before is None


@settings(suppress_health_check=list(HealthCheck))
@given(random_histories(max_moves=30))
def test_equal_states_want_equal_effects(history: RandomHistory) -> None:
    for each_state in history.states:
        wanted = wanted_effects(each_state)
        assert wanted_effects(parse_state(dump_state(each_state))) == wanted
        assert len({effect.key for effect in wanted}) == len(wanted)


@settings(suppress_health_check=list(HealthCheck))
@given(random_histories(max_moves=30))
def test_computing_effects_does_not_change_the_state(history: RandomHistory) -> None:
    before = dump_state(history.state)
    wanted_effects(history.state)
    assert dump_state(history.state) == before
    assert fold(history.state, []) is history.state
