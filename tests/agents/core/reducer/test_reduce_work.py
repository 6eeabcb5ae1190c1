"""Reducing work: steps and their costs are counted; calls are approved, running, then closed."""

from typing import Any

import pytest

from agents.core.completion import Budget, CompletionOutcome, Usage
from agents.core.events import StepChosen, StepRejected, ThreadResumed, ToolFailed, ToolOutcomeUnknown, ToolSucceeded
from agents.core.interpret import events_for_tool_call, rejected_tool_call
from agents.core.next_step import next_work
from agents.core.policy import Policy, Rule
from agents.core.reducer import fold
from agents.core.state import CurrentCall, Outage, ThreadState
from agents.core.steps import CallTool, DoneForNow
from agents.core.values import Address
from tests.agents.factories import (
    ALLOW_ALL,
    NOW,
    after_step,
    after_tool_started,
    event_stamp,
    message_received,
    seconds_later,
    thread,
)
from tests.histories import AGENT, PEOPLE, POLICY

ENGINE = Address("system:engine")
DENY_ALL = Policy(people=PEOPLE, rules=(Rule(name="closed", tool="*", deny="closed"),))
PUSH_CALL = CallTool(tool="push", arguments={"where": "staging"})
LOOK_CALL = CallTool(tool="look", arguments={"depth": 1})


def thread_with_approved_call() -> ThreadState:
    """Return a thread whose current call is approved and has not started."""
    return after_step(thread(), PUSH_CALL, ALLOW_ALL)


def call_of(state: ThreadState) -> CurrentCall:
    assert state.current_call is not None
    return state.current_call


def after_failure(state: ThreadState, retry_at: Any = None) -> ThreadState:
    event = ToolFailed(at=NOW, actor=ENGINE, call_id=call_of(state).call_id, error="broken", retry_at=retry_at)
    return fold(state, [event])


def after_success(state: ThreadState) -> ThreadState:
    return fold(state, [ToolSucceeded(at=NOW, actor=ENGINE, call_id=call_of(state).call_id, summary="done")])


def after_prefetch(state: ThreadState, policy: Policy = POLICY) -> ThreadState:
    return fold(
        state, events_for_tool_call(state, LOOK_CALL, event_stamp(), agent=AGENT, policy=policy, is_prefetch=True)
    )


def step_chosen(usage: Usage | None) -> StepChosen:
    step = DoneForNow(message="Done.")
    return StepChosen(at=NOW, actor=ENGINE, step=step, model="m", prompt_hash="p", usage=usage, based_on=2)


def step_rejected(outcome: CompletionOutcome, **more: Any) -> StepRejected:
    return StepRejected(at=NOW, actor=ENGINE, outcome=outcome, detail="no", model="m", **more)


# Steps


def test_step_adds_one_step_its_tokens_and_its_cost() -> None:
    state = thread(
        step_chosen(Usage(input=100, cached=80, output=10, usd=0.5)), step_chosen(Usage(input=1, output=1, usd=0.25))
    )
    assert state.spent == Budget(steps=2, tokens=112, usd=0.75, wall_clock=0)


def test_step_without_usage_still_counts() -> None:
    assert thread(step_chosen(None)).spent.steps == 1


def test_rejected_step_adds_its_usage() -> None:
    state = thread(step_rejected(CompletionOutcome.INVALID, usage=Usage(input=100, output=10)))
    assert (state.spent.steps, state.spent.tokens) == (1, 110)


@pytest.mark.parametrize(
    "outcome", [o for o in CompletionOutcome if o not in (CompletionOutcome.OK, CompletionOutcome.DEFERRED)]
)
def test_rejected_step_counts_as_repair_or_retry(outcome: CompletionOutcome) -> None:
    state = thread(step_rejected(outcome, retry_at=seconds_later(30)))
    assert (state.repairs, state.retries) == ((1, 0) if outcome.is_repairable else (0, 1))
    assert state.retry_at == (None if outcome.is_repairable else seconds_later(30))
    assert state.needs_model


@pytest.mark.parametrize("outcome", [o for o in CompletionOutcome if o is not CompletionOutcome.OK])
def test_failed_model_call_is_not_a_step(outcome: CompletionOutcome) -> None:
    spent = thread(step_rejected(outcome, usage=Usage(input=7))).spent
    is_answer = outcome in (
        CompletionOutcome.INVALID,
        CompletionOutcome.TRUNCATED,
        CompletionOutcome.EMPTY,
        CompletionOutcome.REFUSED,
        CompletionOutcome.FILTERED,
    )
    assert (spent.steps, spent.tokens) == (int(is_answer), 7)


def test_deferred_model_call_is_retried_and_not_counted() -> None:
    retried_once = thread(step_rejected(CompletionOutcome.TIMEOUT, retry_at=seconds_later(1)))
    later = fold(retried_once, [step_rejected(CompletionOutcome.DEFERRED, retry_at=seconds_later(30))] * 10)
    assert (later.retries, later.repairs, later.spent) == (1, 0, retried_once.spent)
    assert [effect.not_before for effect in next_work(later)] == [seconds_later(30)]


def test_outage_does_not_fill_the_history() -> None:
    state = fold(
        thread(message_received("hello")), [step_rejected(CompletionOutcome.TIMEOUT, retry_at=seconds_later(1))] * 100
    )
    assert (len(state.history), state.dropped_events, state.retries) == (3, 0, 100)


@pytest.mark.parametrize(
    "event",
    [
        step_chosen(None),
        message_received("again"),
        ThreadResumed(at=NOW, actor=ENGINE),
        step_rejected(CompletionOutcome.INVALID),
    ],
    ids=lambda event: event.type,
)
def test_outage_ends_with_an_answer_a_message_or_resuming(event: Any) -> None:
    in_outage = thread(step_rejected(CompletionOutcome.TIMEOUT, retry_at=seconds_later(30), announced=True))
    assert in_outage.outage == Outage(since=NOW, is_announced=True)
    state = fold(in_outage, [event])
    assert (state.outage, state.retries, state.retry_at) == (None, 0, None)


def test_chosen_step_resets_repairs_and_retries() -> None:
    state = thread(
        step_rejected(CompletionOutcome.INVALID),
        step_rejected(CompletionOutcome.TIMEOUT, retry_at=seconds_later(30)),
        step_chosen(None),
    )
    assert (state.repairs, state.retries, state.retry_at, state.needs_model) == (0, 0, None, False)


def test_rejected_step_gives_a_model_call_with_another_key() -> None:
    keys = {
        effect.key
        for state in (thread(), thread(step_rejected(CompletionOutcome.TIMEOUT)))
        for effect in next_work(state)
    }
    assert len(keys) == 2


# Calls


def test_call_is_approved_then_running_then_closed() -> None:
    state = thread_with_approved_call()
    assert (call_of(state).phase, call_of(state).attempt) == ("approved", 0)
    state = after_tool_started(state)
    assert (call_of(state).phase, call_of(state).attempt) == ("running", 1)
    state = after_success(state)
    assert (state.current_call, state.needs_model, state.failures) == (None, True, 0)


def test_failures_are_counted_and_reset_by_a_success() -> None:
    state = after_failure(after_tool_started(thread_with_approved_call()))
    assert (state.current_call, state.needs_model, state.failures) == (None, True, 1)
    state = after_failure(after_tool_started(after_step(state, PUSH_CALL, ALLOW_ALL)))
    assert state.failures == 2
    assert after_success(after_tool_started(after_step(state, PUSH_CALL, ALLOW_ALL))).failures == 0


def test_retried_call_keeps_its_id_and_waits() -> None:
    state = after_failure(after_tool_started(thread_with_approved_call()), retry_at=seconds_later(30))
    assert (call_of(state).phase, call_of(state).retry_at, state.failures) == ("approved", seconds_later(30), 0)
    assert (state.status, [effect.not_before for effect in next_work(state)]) == (
        "waiting_for_time",
        [seconds_later(30)],
    )
    again = after_tool_started(state)
    assert (call_of(again).attempt, call_of(again).retry_at, again.status) == (2, None, "running")


def test_call_with_an_unknown_outcome_waits_for_people() -> None:
    state = after_tool_started(thread_with_approved_call())
    unknown = ToolOutcomeUnknown(at=NOW, actor=ENGINE, call_id=call_of(state).call_id, detail="it crashed")
    assert call_of(fold(state, [unknown])).phase == "awaiting_approval"


def test_outcome_of_another_call_starts_no_work() -> None:
    unknown = ToolOutcomeUnknown(at=NOW, actor=ENGINE, call_id="call_9", detail="it crashed")
    assert fold(thread(), [unknown]).current_call is None


def test_three_denied_proposals_in_a_row_are_three_failures() -> None:
    state = thread()
    for _ in range(3):
        state = after_step(state, PUSH_CALL, DENY_ALL)
    assert (state.failures, state.current_call, state.needs_model) == (3, None, True)


def test_rejected_call_is_a_failure_that_the_model_sees() -> None:
    state = fold(thread(), [rejected_tool_call(thread(), PUSH_CALL, "no such place", event_stamp(), agent=AGENT)])
    assert (state.failures, state.current_call, state.needs_model) == (1, None, True)


# Prefetching


def test_each_prefetch_runs_once_before_the_model() -> None:
    state = thread(prefetch=("look", "see"))
    assert [effect.key for effect in next_work(state)] == ["prefetch:look"]
    state = after_prefetch(state)
    assert (state.prefetch, call_of(state).prefetched) == (("see",), True)
    assert [effect.key for effect in next_work(after_success(after_tool_started(state)))] == ["prefetch:see"]


@pytest.mark.parametrize("policy", [POLICY, DENY_ALL], ids=["failing", "denied"])
def test_prefetch_result_does_not_change_the_failures(policy: Policy) -> None:
    failing = thread(prefetch=("look",)).model_copy(update={"failures": 2})
    state = after_prefetch(failing, policy)
    state = after_failure(after_tool_started(state)) if state.current_call else state
    assert (state.failures, state.prefetch) == (2, ())
    assert after_success(after_tool_started(after_prefetch(failing))).failures == 2


def test_model_call_of_a_tool_does_not_replace_its_prefetch() -> None:
    state = after_step(thread(prefetch=("look",)), LOOK_CALL, POLICY)
    assert state.prefetch == ("look",)


def test_message_does_not_skip_the_prefetch() -> None:
    state = thread(message_received("quick"), prefetch=("look",))
    assert [effect.key for effect in next_work(state)] == ["prefetch:look"]
