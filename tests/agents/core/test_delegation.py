"""Delegation: an agent asks another agent, and the answer is the result of the call."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from agents.core.agent import agent_context, mark_own_events
from agents.core.canonical_json import call_digest
from agents.core.completion import CompletionOutcome, Usage
from agents.core.deadlines import due_events
from agents.core.events import (
    StepChosen,
    StepRejected,
    ThreadCancelled,
    ThreadFinished,
    ThreadForked,
    ThreadPaused,
    ToolCalled,
    ToolStarted,
    ToolSucceeded,
)
from agents.core.interpret import events_for_step, events_for_tool_call
from agents.core.message_rules import events_for_message
from agents.core.messages import Provenance
from agents.core.next_step import MAX_FAILURES, AskHuman, CallModel, Prefetch, RunTool, next_work
from agents.core.reducer import MAX_HISTORY_EVENTS, fold
from agents.core.request_factory import agent_address, budget_request, question_request
from agents.core.state import HistoryEvent, ThreadState
from agents.core.steps import AskAgent, Await, CallTool, DoneForNow, NothingToDo, RequestHumanInput, Step
from tests.agents.factories import (
    ALLOW_ALL,
    NOW,
    after_answer,
    after_step,
    after_tool_started,
    event_stamp,
    incoming_message,
    message_received,
    thread,
)
from tests.harness.people import ALICE, BOB
from tests.histories import AGENT, AGENTS, PEOPLE, POLICY, RUNNER, RandomHistory, find_history, random_histories
from tests.slow_cases import example_count

thorough = settings(max_examples=example_count(0.5), deadline=None, suppress_health_check=list(HealthCheck))
ASK_RUNNER = AskAgent(agent="runner", message="ship it")
ASK_CARRIER = AskAgent(agent="carrier", message="carry it")
SHIP_CALL = CallTool(tool="ship", arguments={"where": "staging"})


def next_event(state: ThreadState, step: Step) -> Any:
    """Return the single event that follows a step."""
    agent = AGENTS[state.active_agent]
    (event,) = events_for_step(
        state, step, event_stamp(new_id=f"{state.version:04}"), agent=agent, policy=POLICY, agents=AGENTS
    )
    return event


def thread_with_delegation(state: ThreadState | None = None, step: AskAgent = ASK_RUNNER) -> ThreadState:
    """Return a thread whose agent has asked another agent, after the prefetch of that agent."""
    state = after_step(state or thread(), step, POLICY)
    return state.model_copy(update={"prefetch": ()})


def thread_with_nested_delegation() -> ThreadState:
    """Return a thread in which walker has asked runner, and runner has asked carrier."""
    return thread_with_delegation(thread_with_delegation(), ASK_CARRIER)


def after_message(state: ThreadState, text: str) -> ThreadState:
    return fold(
        state, events_for_message(state, incoming_message(text), people=PEOPLE, agent=AGENTS[state.active_agent])
    )


def next_effect(state: ThreadState) -> Any:
    (effect,) = next_work(state)
    return effect


# Delegating


def test_delegation_is_a_read_call_without_approval() -> None:
    called = next_event(thread(), ASK_RUNNER)
    assert isinstance(called, ToolCalled)
    assert (called.tool, called.effect, called.arguments) == (
        "ask_agent",
        "read",
        {"agent": "runner", "message": "ship it"},
    )
    assert (called.verdict.answer, called.verdict.rule, called.prefetch) == (
        "allow",
        "asking an agent needs no approval",
        ("look",),
    )
    assert called.digest == call_digest("thr_1", called.call_id, "ask_agent", called.tool_version, called.arguments)


def test_delegate_is_active_and_the_thread_keeps_its_agent() -> None:
    state = thread_with_delegation()
    assert (state.agent, state.active_agent, agent_address(state)) == ("walker", "runner", "agent:runner")
    assert [(a.agent, a.delegator, a.message) for a in state.delegations] == [("runner", "walker", "ship it")]
    assert (state.current_call, state.needs_model, state.status) == (None, True, "running")


def test_delegate_prefetches_before_its_first_model_call() -> None:
    state = after_step(thread(), ASK_RUNNER, POLICY)
    call_id = state.delegations[-1].call_id
    assert next_work(state) == (Prefetch(key=f"prefetch:{call_id}:look", tool="look"),)
    after_prefetch = fold(
        state,
        events_for_tool_call(
            state,
            CallTool(tool="look", arguments={}),
            event_stamp(new_id="7"),
            agent=RUNNER,
            policy=POLICY,
            is_prefetch=True,
        ),
    )
    assert isinstance(next_effect(after_prefetch), RunTool)
    assert after_prefetch.prefetch == ()


def test_second_delegation_prefetches_again() -> None:
    first = after_step(thread(), ASK_RUNNER, POLICY)
    done = after_step(first.model_copy(update={"prefetch": ()}), DoneForNow(message="Done."), POLICY)
    assert next_effect(after_step(done, ASK_RUNNER, POLICY)).key != next_effect(first).key


def test_delegate_without_prefetch_calls_its_model_at_once() -> None:
    assert isinstance(next_effect(after_step(thread_with_delegation(), ASK_CARRIER, POLICY)), CallModel)


def test_delegate_may_delegate_further() -> None:
    assert [a.agent for a in thread_with_nested_delegation().delegations] == ["runner", "carrier"]
    assert thread_with_nested_delegation().active_agent == "carrier"


# Results


@pytest.mark.parametrize(
    ("step", "text"), [(DoneForNow(message="All done."), "All done."), (NothingToDo(reason="no need"), "no need")]
)
def test_final_message_of_the_delegate_is_the_result(step: Step, text: str) -> None:
    state = thread_with_delegation()
    result = next_event(state, step)
    assert isinstance(result, ToolSucceeded)
    assert (result.call_id, result.summary, result.result) == (state.delegations[-1].call_id, text, None)
    assert (result.actor, result.provenance) == ("agent:runner", Provenance.MODEL)
    back = fold(state, [result])
    assert (back.active_agent, back.delegations, back.lifecycle, back.pending_messages) == ("walker", (), "open", ())
    assert isinstance(next_effect(back), CallModel)


def test_each_agent_continues_with_its_delegates_answer() -> None:
    back = after_step(thread_with_nested_delegation(), DoneForNow(message="Carried."), POLICY)
    assert back.active_agent == "runner"
    after_both = after_step(back, DoneForNow(message="Ran."), POLICY)
    assert (after_both.active_agent, after_both.lifecycle) == ("walker", "open")
    assert after_step(after_both, DoneForNow(message="Walked."), POLICY).lifecycle == "done"


def test_result_of_its_own_tool_does_not_end_the_delegate() -> None:
    state = after_tool_started(after_step(thread_with_delegation(), SHIP_CALL, ALLOW_ALL))
    done = fold(state, [ToolSucceeded(at=NOW, actor=ALICE, call_id=state.current_call.call_id, summary="shipped")])
    assert (done.active_agent, done.current_call, done.needs_model) == ("runner", None, True)


# Rejected delegations


@pytest.mark.parametrize("busy_agent", ["walker", "runner"])
def test_waiting_agent_cannot_be_asked(busy_agent: str) -> None:
    """A circle of more than two agents is rejected too."""
    carrier = replace(AGENTS["carrier"], asks=tuple(AGENTS))
    step = AskAgent(agent=busy_agent, message="help")
    (called,) = events_for_step(
        thread_with_nested_delegation(), step, event_stamp(new_id="9"), agent=carrier, policy=ALLOW_ALL, agents=AGENTS
    )
    assert isinstance(called, ToolCalled)
    assert (called.verdict.answer, called.verdict.rule, called.is_delegation) == ("deny", "preparation", False)
    assert "is waiting for an answer itself" in called.verdict.reason
    after = fold(thread_with_nested_delegation(), [called])
    assert (after.active_agent, after.failures, after.needs_model) == ("carrier", 1, True)


def test_circular_delegation_asks_a_person_for_help() -> None:
    state = thread_with_delegation()
    for _ in range(MAX_FAILURES):
        state = after_step(state, AskAgent(agent="walker", message="you do it"), POLICY)
    assert isinstance(next_effect(state), AskHuman)


@pytest.mark.parametrize("name", ["carrier", "nobody", ""])
def test_delegation_to_a_forbidden_agent_is_denied(name: str) -> None:
    called = next_event(thread(), AskAgent(agent=name, message="help"))
    assert (called.verdict.answer, called.verdict.reason) == ("deny", f"walker may not ask {name}")


def test_delegation_to_a_removed_agent_is_denied() -> None:
    (called,) = events_for_step(
        thread(), ASK_RUNNER, event_stamp(), agent=AGENT, policy=POLICY, agents={"walker": AGENT}
    )
    assert isinstance(called, ToolCalled)
    assert called.verdict.answer == "deny"


# Counters


def step_rejected(outcome: CompletionOutcome) -> StepRejected:
    return StepRejected(at=NOW, actor=ALICE, outcome=outcome, detail="no", model="m")


def test_failure_counters_restart_for_each_agent() -> None:
    failing = thread().model_copy(update={"failures": 2, "repairs": 2, "retries": 2})
    state = thread_with_delegation(failing)
    assert (state.failures, state.repairs, state.retries) == (0, 0, 0)
    state = fold(state, [step_rejected(CompletionOutcome.INVALID), step_rejected(CompletionOutcome.TIMEOUT)])
    assert (state.repairs, state.retries) == (1, 1)
    back = fold(state.model_copy(update={"failures": 2}), [next_event(state, DoneForNow(message="Done."))])
    assert (back.failures, back.repairs, back.retries, back.retry_at) == (0, 0, 0, None)


def test_delegates_share_the_budget_of_the_thread() -> None:
    step = StepChosen(
        at=NOW, actor=ALICE, step=SHIP_CALL, model="m", prompt_hash="p", usage=Usage(input=90, output=10), based_on=1
    )
    assert fold(thread_with_delegation(), [step]).spent.tokens == 100


# People and requests


def test_requests_name_the_active_agent() -> None:
    state = thread_with_delegation()
    for opened in (
        next_event(state, RequestHumanInput(question="Where?")),
        question_request(state, RequestHumanInput(question="Why?"), event_stamp()),
        budget_request(
            state.model_copy(update={"budget": state.budget.add("steps", 3)}), "steps", POLICY, event_stamp()
        ),
    ):
        assert (opened.request.agent, opened.actor) == ("runner", "agent:runner")


def test_call_of_a_delegate_runs_after_its_approval() -> None:
    state = after_step(thread_with_delegation(), SHIP_CALL, POLICY)
    assert (state.status, state.open_request.agent) == ("waiting_for_human", "runner")
    ready = after_answer(state)
    assert (ready.current_call.agent, isinstance(next_effect(ready), RunTool)) == ("runner", True)


def test_call_of_the_own_agent_names_no_agent() -> None:
    assert after_step(thread(), SHIP_CALL, ALLOW_ALL).current_call.agent is None


def test_message_goes_to_the_active_agent() -> None:
    state = after_message(thread_with_delegation().model_copy(update={"failures": 2}), "how is it going?")
    assert (state.active_agent, state.failures, state.needs_model) == ("runner", 0, True)


def test_message_ends_the_wait_of_a_delegate() -> None:
    waiting = after_step(thread_with_delegation(), Await(seconds=60, reason="tide"), POLICY)
    assert waiting.status == "waiting_for_time"
    assert (after_message(waiting, "go on").status, after_message(waiting, "go on").active_agent) == (
        "running",
        "runner",
    )
    assert fold(waiting, due_events(waiting, waiting.timer_at, PEOPLE)).active_agent == "runner"


def test_command_of_the_active_agent_supersedes_its_approval() -> None:
    state = after_message(after_step(thread_with_delegation(), SHIP_CALL, POLICY), "ship production")
    assert (state.open_request, state.current_call, state.active_agent) == (None, None, "runner")


# End of the thread


def finish(state: ThreadState) -> ThreadState:
    return fold(state, [ThreadFinished(at=NOW, actor=ALICE, outcome="failed", reason="enough")])


def cancel(state: ThreadState) -> ThreadState:
    return fold(state, [ThreadCancelled(at=NOW, actor=BOB, reason="enough")])


def fork(state: ThreadState) -> ThreadState:
    return fold(state, [ThreadForked(at=NOW, actor=BOB, thread_id="thr_2", parent="thr_1", at_seq=state.version)])


@pytest.mark.parametrize("end_thread", [finish, cancel, fork])
def test_ended_thread_has_no_delegations(end_thread: Any) -> None:
    state = end_thread(thread_with_nested_delegation())
    assert (state.delegations, state.active_agent, next_work(state)) == ((), "walker", ())


@pytest.mark.parametrize("end_thread", [finish, fork])
def test_reopening_message_goes_to_the_own_agent(end_thread: Any) -> None:
    """The prefetch of the delegate does not run."""
    state = after_message(end_thread(after_step(thread(), ASK_RUNNER, POLICY)), "hello?")
    assert (state.active_agent, next_effect(state).key) == ("walker", f"model:{state.context_seq}:0")


def test_pause_keeps_the_active_agent() -> None:
    state = fold(thread_with_delegation(), [ThreadPaused(at=NOW, actor=BOB, reason="wait")])
    assert (state.active_agent, state.status) == ("runner", "paused")


def test_running_call_keeps_its_agent_after_cancelling() -> None:
    running = after_step(thread_with_delegation(), SHIP_CALL, ALLOW_ALL)
    call = running.current_call
    assert call is not None
    tool_started = ToolStarted(at=NOW, actor=ALICE, call_id=call.call_id, key="k")
    state = cancel(fold(running, [tool_started]))
    assert (state.active_agent, state.current_call.agent) == ("walker", "runner")


# Random histories


@thorough
@given(random_histories(max_moves=60))
def test_delegations_form_a_stack_in_any_history(history: RandomHistory) -> None:
    for state in history.states:
        chain = [state.agent, *(a.agent for a in state.delegations)]
        assert len(chain) == len(set(chain))
        assert [a.delegator for a in state.delegations] == chain[:-1]
        assert not state.delegations or state.lifecycle == "open"


@thorough
@given(random_histories(max_moves=60))
def test_each_delegation_is_answered_once_by_its_delegate(
    history: RandomHistory,
) -> None:
    calls = {e.call_id: e.arguments["agent"] for e in history.events if isinstance(e, ToolCalled) and e.is_delegation}
    answers = [e for e in history.events if isinstance(e, ToolSucceeded) and e.call_id in calls]
    assert len({e.call_id for e in answers}) == len(answers)
    assert all(e.actor == f"agent:{calls[e.call_id]}" for e in answers)
    assert not {a.call_id for a in history.state.delegations} & {e.call_id for e in answers}


@thorough
@given(random_histories(max_moves=60))
def test_log_names_the_active_agent_in_any_history(history: RandomHistory) -> None:
    for before, event in zip(history.states, history.events, strict=False):
        if isinstance(event, StepChosen | ToolCalled):
            assert event.actor == agent_address(before)


def test_random_histories_contain_nested_delegations() -> None:
    def has_nested_return(history: RandomHistory) -> bool:
        depths = [len(state.delegations) for state in history.states]
        return any(pair == (2, 1) and 0 in depths[index:] for index, pair in enumerate(pairwise(depths)))

    assert find_history(lambda history: has_nested_return(history) and history.state.lifecycle == "open")


# Ownership of events


def owner_calls(history: RandomHistory) -> list[str | None]:
    """Return for each event the call that its agent works for (None: the own agent), derived from the states."""
    tops = [state.delegations[-1].call_id if state.delegations else None for state in history.states]
    return [
        after if isinstance(event, ToolSucceeded) else before
        for before, after, event in zip(tops, tops[1:], history.events, strict=False)
    ]


def is_remembered(history: RandomHistory, index: int) -> bool:
    return is_in_context(history, index) and not is_replaced(history, index)


def is_in_context(history: RandomHistory, index: int) -> bool:
    return history.states[index].context_seq != history.states[index + 1].context_seq


def is_replaced(history: RandomHistory, index: int) -> bool:
    """Return whether this failed model call was replaced in the history by the next one."""
    replacing = next((later for later in range(index + 1, len(history.events)) if is_in_context(history, later)), None)
    if replacing is None:
        return False
    before, after = history.states[replacing], history.states[replacing + 1]
    return len(before.history) + before.dropped_events == len(after.history) + after.dropped_events


def own_events(events: Sequence[HistoryEvent]) -> list[HistoryEvent]:
    return [event for event, own in mark_own_events(events) if own]


@thorough
@given(random_histories(max_moves=80))
def test_delegate_sees_only_its_own_events(history: RandomHistory) -> None:
    if not history.state.delegations:
        return
    call_id = history.state.delegations[-1].call_id
    expected = [
        event
        for index, (event, owner) in enumerate(zip(history.events, owner_calls(history), strict=True))
        if owner == call_id and is_remembered(history, index)
    ]
    own = own_events(agent_context(history.state).since_delegation)
    assert own == expected[max(0, len(expected) - len(own)) :]
    assert len(own) == len(expected) or len(history.state.history) == MAX_HISTORY_EVENTS


def test_own_agent_sees_only_call_and_answer_of_a_delegation() -> None:
    state = after_step(after_step(thread_with_delegation(), SHIP_CALL, ALLOW_ALL), DoneForNow(message="Done."), POLICY)
    event_types = [event.type for event in own_events(state.history)]
    assert event_types == ["MessageReceived", "ToolCalled", "ToolSucceeded"]


def last_events(state: ThreadState, keep: int) -> tuple[HistoryEvent, ...]:
    return state.history[-keep:]


def test_events_before_an_orphan_answer_belong_to_the_delegate() -> None:
    state = after_message(
        after_step(after_step(thread_with_delegation(), SHIP_CALL, ALLOW_ALL), DoneForNow(message="Done."), POLICY),
        "thanks",
    )
    event_types = [(event.type, own) for event, own in mark_own_events(last_events(state, 3))]
    assert event_types == [("ToolCalled", False), ("ToolSucceeded", True), ("MessageReceived", True)]


def test_context_is_whole_history_if_the_call_was_dropped() -> None:
    state = thread_with_delegation(thread())
    for n in range(MAX_HISTORY_EVENTS):
        state = fold(state, [message_received(f"m{n}")])
    context = agent_context(state)
    assert (len(context.before_delegation), len(context.since_delegation)) == (0, MAX_HISTORY_EVENTS)
    assert state.delegations[-1].message == "ship it"
