"""Reducing lifecycle events, and logs with unknown events."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.core.completion import Budget
from agents.core.deadlines import due_events, next_deadline
from agents.core.events import (
    BudgetReached,
    KnownEvent,
    ReplyChosen,
    ThreadCancelled,
    ThreadFinished,
    ThreadForked,
    ThreadPaused,
    ThreadResumed,
    ToolFailed,
    ToolSucceeded,
    UnknownEvent,
)
from agents.core.next_step import next_work
from agents.core.reducer import fold
from agents.core.state import ThreadState
from agents.core.steps import Await, CallTool
from storage.codec import dump_state
from tests.agents.factories import (
    ALLOW_ALL,
    NOW,
    TERMINAL,
    after_answer,
    after_step,
    after_tool_started,
    message_received,
    request_shown,
    seconds_later,
    thread,
    thread_waiting_for_approval,
)
from tests.harness.people import ALICE, BOB
from tests.histories import PEOPLE, RandomHistory, random_histories, wanted_effects

PUSH_CALL = CallTool(tool="push", arguments={"where": "staging"})

THREAD_PAUSED = ThreadPaused(at=NOW, actor=BOB, reason="wait")
THREAD_RESUMED = ThreadResumed(at=NOW, actor=BOB)
THREAD_CANCELLED = ThreadCancelled(at=NOW, actor=BOB, reason="enough")


def thread_finished(outcome: Any = "done") -> ThreadFinished:
    return ThreadFinished(at=NOW, actor=BOB, outcome=outcome, reason="over")


def thread_forked(seconds: float = 0) -> ThreadForked:
    return ThreadForked(at=seconds_later(seconds), actor=BOB, thread_id="thr_2", parent="thr_1", at_seq=2)


def thread_with_approved_call() -> ThreadState:
    """Return a thread with an approved call that needed no approval by people."""
    return after_step(thread(), PUSH_CALL, ALLOW_ALL)


# Opening


def test_first_event_sets_the_fields_of_a_thread() -> None:
    state = thread(budget={"steps": 3}, prefetch=("look",), labels={"team": "ops"})
    assert (state.thread_id, state.agent, state.origin, state.requester) == ("thr_1", "walker", TERMINAL, ALICE)
    assert (state.budget, state.prefetch, state.labels) == (Budget(steps=3), ("look",), {"team": "ops"})
    assert (state.created_at, state.updated_at, state.version, state.status) == (NOW, NOW, 2, "running")


# Pausing


@pytest.mark.parametrize(
    "state",
    [
        thread(),
        thread_waiting_for_approval(),
        thread_with_approved_call(),
        after_step(thread(), Await(seconds=60, reason="tea"), ALLOW_ALL),
    ],
)
def test_resumed_thread_waits_as_before_the_pause(state: ThreadState) -> None:
    paused = fold(state, [THREAD_PAUSED])
    assert (paused.status, paused.paused, next_work(paused)) == ("paused", "wait", ())
    again = fold(paused, [THREAD_RESUMED])
    assert (again.status, [e.key for e in wanted_effects(again)]) == (
        state.status,
        [e.key for e in wanted_effects(state)],
    )
    assert next_deadline(again) == next_deadline(state)


def test_answer_during_a_pause_counts_but_starts_no_work() -> None:
    state = after_answer(fold(thread_waiting_for_approval(), [THREAD_PAUSED]))
    assert (state.status, next_work(state)) == ("paused", ())
    assert [type(effect).__name__ for effect in next_work(fold(state, [THREAD_RESUMED]))] == ["RunTool"]


def test_message_during_a_pause_is_processed_after_resuming() -> None:
    state = fold(thread(), [thread_finished(), THREAD_PAUSED, message_received("hello?")])
    assert (state.status, next_work(state)) == ("paused", ())
    assert fold(state, [THREAD_RESUMED]).status == "running"


def test_tool_result_during_a_pause_does_not_call_the_model() -> None:
    state = fold(after_tool_started(thread_with_approved_call()), [THREAD_PAUSED])
    assert state.current_call is not None
    done = ToolSucceeded(at=NOW, actor=BOB, call_id=state.current_call.call_id, summary="done")
    state = fold(state, [done])
    assert (state.current_call, next_work(state)) == (None, ())
    assert [type(effect).__name__ for effect in next_work(fold(state, [THREAD_RESUMED]))] == ["CallModel"]


# Ending


@pytest.mark.parametrize("outcome", ["done", "failed"])
def test_finished_thread_is_idle_until_a_message(outcome: str) -> None:
    state = fold(thread(), [thread_finished(outcome)])
    assert (state.status, wanted_effects(state), next_deadline(state)) == (outcome, (), None)
    awake = fold(state, [message_received("one more thing")])
    assert (awake.status, awake.needs_model) == ("running", True)
    assert [type(effect).__name__ for effect in next_work(awake)] == ["CallModel"]


def test_new_message_resets_the_failure_counters() -> None:
    failing = thread().model_copy(update={"failures": 3, "repairs": 2, "retries": 5, "retry_at": seconds_later(60)})
    state = fold(failing, [thread_finished(), message_received("again")])
    assert (state.failures, state.repairs, state.retries, state.retry_at) == (0, 0, 0, None)


# Cancelling


def test_cancelling_updates_every_card_of_the_open_request() -> None:
    state = fold(thread_waiting_for_approval(), [THREAD_CANCELLED])
    (request,) = state.requests
    assert (state.status, request.status, state.open_request, state.current_call) == (
        "cancelled",
        "cancelled",
        None,
        None,
    )
    assert [m.message.card.outcome for m in state.pending_messages if m.message.card] == ["cancelled with its thread"]
    assert (next_work(state), next_deadline(state)) == ((), None)


def test_cancelling_drops_a_call_that_was_not_started() -> None:
    assert fold(thread_with_approved_call(), [THREAD_CANCELLED]).current_call is None


def test_cancelled_thread_does_not_need_the_model() -> None:
    assert not fold(thread(), [THREAD_CANCELLED]).needs_model


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_cancelling_keeps_a_running_call_until_its_result(outcome: str) -> None:
    state = fold(after_tool_started(thread_with_approved_call()), [THREAD_CANCELLED])
    assert state.current_call is not None
    assert (state.status, state.current_call.phase) == ("cancelled", "running")
    fields: dict[str, Any] = {"at": NOW, "actor": BOB, "call_id": state.current_call.call_id}
    report: KnownEvent = (
        ToolSucceeded(**fields, summary="done") if outcome == "succeeded" else ToolFailed(**fields, error="broken")
    )
    state = fold(state, [report])
    assert (state.status, state.current_call, state.needs_model, next_work(state)) == ("cancelled", None, False, ())


def test_cancelling_ends_a_pause_and_a_wait() -> None:
    waiting = after_step(thread(), Await(seconds=60, reason="tea"), ALLOW_ALL)
    state = fold(waiting, [THREAD_PAUSED, THREAD_CANCELLED])
    assert (state.status, state.paused, state.timer_at, next_deadline(state)) == ("cancelled", None, None, None)


# Forking


@pytest.mark.parametrize(
    "parent",
    [
        thread(),
        thread_waiting_for_approval(shown_to=()),
        thread_waiting_for_approval(),
        thread_with_approved_call(),
        after_tool_started(thread_with_approved_call()),
        fold(thread_waiting_for_approval(), [THREAD_PAUSED]),
        fold(thread(), [THREAD_CANCELLED]),
        after_step(thread(), Await(seconds=60, reason="tea"), ALLOW_ALL),
        thread(prefetch=("look",)),
    ],
)
def test_fork_is_idle_in_any_state_of_its_parent(parent: ThreadState) -> None:
    state = fold(parent, [thread_forked()])
    assert (state.thread_id, state.status, state.created_at) == ("thr_2", "done", NOW)
    assert (state.requests, state.current_call, state.pending_messages, state.prefetch) == ((), None, (), ())
    assert (wanted_effects(state), next_deadline(state), due_events(state, seconds_later(10**8), PEOPLE)) == (
        (),
        None,
        (),
    )
    assert (state.needs_model, state.timer_at, state.retry_at, state.paused) == (False, None, None, None)


def test_fork_keeps_the_history_and_continues_on_a_message() -> None:
    state = fold(thread_waiting_for_approval(), [thread_forked()])
    assert [event.type for event in state.history[-2:]] == ["ToolCalled", "ThreadForked"]
    awake = fold(state, [message_received("and now staging")])
    assert (awake.status, awake.current_call) == ("running", None)
    assert [type(effect).__name__ for effect in next_work(awake)] == ["CallModel"]


@pytest.mark.parametrize("parent", [thread(), thread_with_approved_call(), thread_waiting_for_approval()])
def test_fork_starts_with_nothing_spent(parent: ThreadState) -> None:
    state = fold(parent, [thread_forked(seconds=10**6)])
    assert state.spent == Budget(steps=0, tokens=0, usd=0.0, wall_clock=0.0)


def test_card_of_the_parent_does_not_change_a_fork() -> None:
    parent = thread_waiting_for_approval(shown_to=())
    replied = fold(parent, [thread_forked(), ReplyChosen(at=NOW, actor=BOB, text="hello")])
    state = fold(replied, [request_shown(parent)])
    assert (state.requests, state.pending_messages, state.status) == ((), replied.pending_messages, "done")


# Time spent


def test_running_time_counts_as_work() -> None:
    assert thread(message_received("more", at=seconds_later(5))).spent.wall_clock == 5


@pytest.mark.parametrize(
    "state",
    [
        thread_waiting_for_approval(),
        fold(thread(), [THREAD_PAUSED]),
        fold(thread(), [thread_finished()]),
        after_step(thread(), Await(seconds=60, reason="tea"), ALLOW_ALL),
    ],
)
def test_waiting_time_does_not_count_as_work(state: ThreadState) -> None:
    assert fold(state, [message_received("hello", at=seconds_later(3600))]).spent.wall_clock == 0


def test_backward_clock_does_not_reduce_spent_time() -> None:
    assert thread(message_received("more", at=seconds_later(-60))).spent.wall_clock == 0


def test_reached_budget_is_only_recorded() -> None:
    reached = BudgetReached(at=NOW, actor=BOB, kind="steps", limit=3, used=3)
    before = thread()
    assert fold(before, [reached]) == before.model_copy(update={"version": before.version + 1})


# Unknown events


UNKNOWN_EVENT = UnknownEvent(type="ThreadPainted", v=7, at=NOW, actor=BOB, data={"colour": "red"})


def test_unknown_event_pauses_the_thread_permanently() -> None:
    state = fold(thread(), [UNKNOWN_EVENT, THREAD_RESUMED])
    assert (state.status, state.unreadable, state.version) == ("paused", "ThreadPainted", 4)
    assert (wanted_effects(state), next_deadline(state)) == ((), None)


@settings(suppress_health_check=list(HealthCheck))
@given(random_histories(max_moves=30), st.data())
def test_log_with_an_unknown_event_folds_and_starts_no_work(history: RandomHistory, data: Any) -> None:
    position = data.draw(st.integers(1, len(history.events) - 1))
    log = [*history.events[:position], UNKNOWN_EVENT, *history.events[position + 1 :]]
    state = fold(ThreadState(), log)
    was_cancelled = history.states[position].lifecycle == "cancelled"
    assert (state.version, state.status) == (history.state.version, "paused") or was_cancelled
    assert wanted_effects(state) == ()
    assert dump_state(fold(fold(ThreadState(), log[: position + 1]), log[position + 1 :])) == dump_state(state)
