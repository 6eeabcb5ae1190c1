"""Folding work: steps are counted and paid for, calls go from asked to ready to started to over."""

from typing import Any

import pytest

from agents.addresses import Address
from agents.budget import Budget, Usage
from agents.completion import Outcome
from agents.events import StepChosen, StepRejected, ThreadResumed, ToolFailed, ToolOutcomeUnknown, ToolSucceeded
from agents.interpret import call_tool, refused_call
from agents.next_step import work
from agents.policy import Policy, Rule
from agents.reducer import fold
from agents.state import OpenCall, Outage, ThreadState
from agents.steps import CallTool, DoneForNow
from tests.agents.samples import NOW, PEOPLE, after, message, moment, started, stepped, thread
from tests.histories import AGENT, POLICY

ENGINE = Address("system:engine")
FREE = Policy(people=PEOPLE, rules=(Rule(name="free", tool="*"),))
CLOSED = Policy(people=PEOPLE, rules=(Rule(name="closed", tool="*", deny="closed"),))
PUSH = CallTool(tool="push", arguments={"where": "staging"})
LOOK = CallTool(tool="look", arguments={"depth": 1})


def ready() -> ThreadState:
    return stepped(thread(), PUSH, FREE)


def call_of(state: ThreadState) -> OpenCall:
    assert state.call is not None
    return state.call


def failed(state: ThreadState, retry_at: Any = None) -> ThreadState:
    event = ToolFailed(at=NOW, actor=ENGINE, call_id=call_of(state).call_id, error="broken", retry_at=retry_at)
    return fold(state, [event])


def succeeded(state: ThreadState) -> ThreadState:
    return fold(state, [ToolSucceeded(at=NOW, actor=ENGINE, call_id=call_of(state).call_id, summary="done")])


def prefetched(state: ThreadState, policy: Policy = POLICY) -> ThreadState:
    return fold(state, call_tool(state, LOOK, moment(), agent=AGENT, policy=policy, prefetched=True))


def chose(usage: Usage | None) -> StepChosen:
    step = DoneForNow(message="Done.")
    return StepChosen(at=NOW, actor=ENGINE, step=step, model="m", prompt_hash="p", usage=usage, based_on=2)


def rejected(outcome: Outcome, **more: Any) -> StepRejected:
    return StepRejected(at=NOW, actor=ENGINE, outcome=outcome, detail="no", model="m", **more)


# Steps


def test_a_step_costs_one_step_its_tokens_and_its_price() -> None:
    state = thread(chose(Usage(input=100, cached=80, output=10, usd=0.5)), chose(Usage(input=1, output=1, usd=0.25)))
    assert state.spent == Budget(steps=2, tokens=112, usd=0.75, wall_clock=0)


def test_a_step_without_usage_still_costs_a_step() -> None:
    assert thread(chose(None)).spent.steps == 1


def test_a_rejected_step_costs_what_it_used() -> None:
    state = thread(rejected(Outcome.INVALID, usage=Usage(input=100, output=10)))
    assert (state.spent.steps, state.spent.tokens) == (1, 110)


@pytest.mark.parametrize("outcome", [o for o in Outcome if o not in (Outcome.OK, Outcome.POSTPONED)])
def test_a_rejected_step_counts_as_a_repair_or_as_a_retry(outcome: Outcome) -> None:
    state = thread(rejected(outcome, retry_at=after(30)))
    assert (state.repairs, state.retries) == ((1, 0) if outcome.repairable else (0, 1))
    assert state.retry_at == (None if outcome.repairable else after(30))
    assert state.models_turn


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.OK])
def test_call_that_failed_through_no_fault_of_the_answer_costs_no_step(outcome: Outcome) -> None:
    spent = thread(rejected(outcome, usage=Usage(input=7))).spent
    is_answer = outcome in (
        Outcome.INVALID, Outcome.TRUNCATED, Outcome.EMPTY, Outcome.REFUSED, Outcome.FILTERED
    )  # fmt: skip
    assert (spent.steps, spent.tokens) == (int(is_answer), 7)


def test_a_call_that_was_not_made_is_tried_later_and_counts_as_nothing() -> None:
    asked_once = thread(rejected(Outcome.TIMEOUT, retry_at=after(1)))
    later = fold(asked_once, [rejected(Outcome.POSTPONED, retry_at=after(30))] * 10)
    assert (later.retries, later.repairs, later.spent) == (1, 0, asked_once.spent)
    assert [effect.not_before for effect in work(later)] == [after(30)]


def test_outage_pushes_nothing_else_out_of_what_is_remembered() -> None:
    state = fold(thread(message("hello")), [rejected(Outcome.TIMEOUT, retry_at=after(1))] * 100)
    assert (len(state.recent), state.forgotten, state.retries) == (3, 0, 100)


@pytest.mark.parametrize(
    "event", [chose(None), message("again"), ThreadResumed(at=NOW, actor=ENGINE), rejected(Outcome.INVALID)],
    ids=lambda event: event.type,
)  # fmt: skip
def test_outage_ends_with_an_answer_a_message_or_a_resumption(event: Any) -> None:
    out = thread(rejected(Outcome.TIMEOUT, retry_at=after(30), announced=True))
    assert out.outage == Outage(since=NOW, announced=True)
    state = fold(out, [event])
    assert (state.outage, state.retries, state.retry_at) == (None, 0, None)


def test_a_chosen_step_ends_all_repairs_and_retries() -> None:
    state = thread(rejected(Outcome.INVALID), rejected(Outcome.TIMEOUT, retry_at=after(30)), chose(None))
    assert (state.repairs, state.retries, state.retry_at, state.models_turn) == (0, 0, None, False)


def test_a_rejected_step_is_a_reason_to_ask_again_under_another_key() -> None:
    keys = {effect.key for state in (thread(), thread(rejected(Outcome.TIMEOUT))) for effect in work(state)}
    assert len(keys) == 2


# Calls


def test_a_call_goes_from_ready_to_started_to_over() -> None:
    state = ready()
    assert (call_of(state).phase, call_of(state).attempt) == ("ready", 0)
    state = started(state)
    assert (call_of(state).phase, call_of(state).attempt) == ("started", 1)
    state = succeeded(state)
    assert (state.call, state.models_turn, state.failures) == (None, True, 0)


def test_a_failed_call_counts_and_a_success_forgives() -> None:
    state = failed(started(ready()))
    assert (state.call, state.models_turn, state.failures) == (None, True, 1)
    state = failed(started(stepped(state, PUSH, FREE)))
    assert state.failures == 2
    assert succeeded(started(stepped(state, PUSH, FREE))).failures == 0


def test_a_call_that_is_tried_again_keeps_its_id_and_waits_for_its_time() -> None:
    state = failed(started(ready()), retry_at=after(30))
    assert (call_of(state).phase, call_of(state).retry_at, state.failures) == ("ready", after(30), 0)
    assert (state.status, [effect.not_before for effect in work(state)]) == ("waiting_for_time", [after(30)])
    again = started(state)
    assert (call_of(again).attempt, call_of(again).retry_at, again.status) == (2, None, "running")


def test_a_call_nobody_can_tell_about_waits_for_people() -> None:
    state = started(ready())
    unknown = ToolOutcomeUnknown(at=NOW, actor=ENGINE, call_id=call_of(state).call_id, detail="it crashed")
    assert call_of(fold(state, [unknown])).phase == "asked"


def test_an_outcome_of_a_call_that_is_not_in_hand_starts_nothing() -> None:
    unknown = ToolOutcomeUnknown(at=NOW, actor=ENGINE, call_id="call_9", detail="it crashed")
    assert fold(thread(), [unknown]).call is None


def test_three_denied_proposals_in_a_row_are_three_failures() -> None:
    state = thread()
    for _ in range(3):
        state = stepped(state, PUSH, CLOSED)
    assert (state.failures, state.call, state.models_turn) == (3, None, True)


def test_a_call_that_makes_no_sense_is_a_failure_the_model_is_told_of() -> None:
    state = fold(thread(), [refused_call(thread(), PUSH, "no such place", moment(), agent=AGENT)])
    assert (state.failures, state.call, state.models_turn) == (1, None, True)


# Prefetching


def test_a_prefetched_tool_is_called_once_and_then_the_next_or_the_model() -> None:
    state = thread(prefetch=("look", "see"))
    assert [effect.key for effect in work(state)] == ["prefetch:look"]
    state = prefetched(state)
    assert (state.prefetch, call_of(state).prefetched) == (("see",), True)
    assert [effect.key for effect in work(succeeded(started(state)))] == ["prefetch:see"]


@pytest.mark.parametrize("policy", [POLICY, CLOSED], ids=["failing", "denied"])
def test_what_comes_of_a_prefetch_is_neither_a_failure_nor_a_success_of_the_agent(policy: Policy) -> None:
    tired = thread(prefetch=("look",)).model_copy(update={"failures": 2})
    state = prefetched(tired, policy)
    state = failed(started(state)) if state.call else state
    assert (state.failures, state.prefetch) == (2, ())
    assert succeeded(started(prefetched(tired))).failures == 2


def test_the_same_tool_called_by_the_model_is_still_prefetched() -> None:
    state = stepped(thread(prefetch=("look",)), LOOK, POLICY)
    assert state.prefetch == ("look",)


def test_a_message_before_the_prefetch_is_done_does_not_skip_it() -> None:
    state = thread(message("quick"), prefetch=("look",))
    assert [effect.key for effect in work(state)] == ["prefetch:look"]
