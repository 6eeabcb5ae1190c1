"""One agent asks another: the thread is handed on with the call, and comes back with the answer."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from agents.agent_context import agent_context, mark_own_events
from agents.budget import Usage
from agents.completion import CompletionOutcome
from agents.deadlines import due_events
from agents.digest import call_digest
from agents.effects import AskHuman, CallModel, Prefetch, RunTool
from agents.events import (
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
from agents.interpret import events_for_step, events_for_tool_call
from agents.message_rules import events_for_message
from agents.messages import Provenance
from agents.next_step import MAX_FAILURES, next_work
from agents.policy import Policy, Rule
from agents.reducer import MAX_HISTORY_EVENTS, fold
from agents.request_factory import agent_address, budget_request, question_request
from agents.state import HistoryEvent, ThreadState
from agents.steps import AskAgent, Await, CallTool, DoneForNow, NothingToDo, RequestHumanInput, Step
from tests.agents.factories import (
    ALICE,
    BOB,
    NOW,
    PEOPLE,
    after_answer,
    after_step,
    after_tool_started,
    incoming_message,
    message_received,
    stamp,
    thread,
)
from tests.histories import AGENT, AGENTS, POLICY, RUNNER, RandomHistory, find_history, random_histories

thorough = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
FREE = Policy(people=PEOPLE, rules=(Rule(name="free", tool="*"),))
ASK_RUNNER = AskAgent(agent="runner", message="ship it")
ASK_CARRIER = AskAgent(agent="carrier", message="carry it")
SHIP = CallTool(tool="ship", arguments={"where": "staging"})


def following(state: ThreadState, step: Step) -> Any:
    """The one event that follows."""
    agent = AGENTS[state.active_agent]
    (event,) = events_for_step(state, step, stamp(f"{state.version:04}"), agent=agent, policy=POLICY, agents=AGENTS)
    return event


def asked(state: ThreadState | None = None, step: AskAgent = ASK_RUNNER) -> ThreadState:
    """A thread whose agent has asked another one, which has looked up what it wants to know first."""
    state = after_step(state or thread(), step, POLICY)
    return state.model_copy(update={"prefetch": ()})


def twice() -> ThreadState:
    """Walker has asked runner, which has asked carrier."""
    return asked(asked(), ASK_CARRIER)


def said(state: ThreadState, text: str) -> ThreadState:
    return fold(
        state, events_for_message(state, incoming_message(text), people=PEOPLE, agent=AGENTS[state.active_agent])
    )


def wanted(state: ThreadState) -> Any:
    (effect,) = next_work(state)
    return effect


# Handing on


def test_asking_is_a_call_that_only_reads_and_needs_nobody() -> None:
    called = following(thread(), ASK_RUNNER)
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


def test_the_asked_agent_is_at_work_and_the_thread_stays_whose_it_was() -> None:
    state = asked()
    assert (state.agent, state.active_agent, agent_address(state)) == ("walker", "runner", "agent:runner")
    assert [(a.agent, a.delegator, a.message) for a in state.delegations] == [("runner", "walker", "ship it")]
    assert (state.current_call, state.needs_model, state.status) == (None, True, "running")


def test_what_the_asked_agent_looks_up_first_runs_before_its_model_is_asked() -> None:
    state = after_step(thread(), ASK_RUNNER, POLICY)
    call_id = state.delegations[-1].call_id
    assert next_work(state) == (Prefetch(key=f"prefetch:{call_id}:look", tool="look"),)
    looked = fold(
        state,
        events_for_tool_call(
            state, CallTool(tool="look", arguments={}), stamp("7"), agent=RUNNER, policy=POLICY, is_prefetch=True
        ),
    )
    assert isinstance(wanted(looked), RunTool)
    assert looked.prefetch == ()


def test_asking_again_looks_up_again() -> None:
    first = after_step(thread(), ASK_RUNNER, POLICY)
    done = after_step(first.model_copy(update={"prefetch": ()}), DoneForNow(message="Done."), POLICY)
    assert wanted(after_step(done, ASK_RUNNER, POLICY)).key != wanted(first).key


def test_an_agent_without_anything_to_look_up_is_asked_at_once() -> None:
    assert isinstance(wanted(after_step(asked(), ASK_CARRIER, POLICY)), CallModel)


def test_an_agent_that_is_asked_may_ask_in_turn() -> None:
    assert [a.agent for a in twice().delegations] == ["runner", "carrier"]
    assert twice().active_agent == "carrier"


# The way back


@pytest.mark.parametrize(
    ("step", "words"), [(DoneForNow(message="All done."), "All done."), (NothingToDo(reason="no need"), "no need")]
)
def test_what_the_asked_agent_is_done_with_is_the_result_of_the_call(step: Step, words: str) -> None:
    state = asked()
    result = following(state, step)
    assert isinstance(result, ToolSucceeded)
    assert (result.call_id, result.summary, result.result) == (state.delegations[-1].call_id, words, None)
    assert (result.actor, result.provenance) == ("agent:runner", Provenance.MODEL)
    back = fold(state, [result])
    assert (back.active_agent, back.delegations, back.lifecycle, back.pending_messages) == ("walker", (), "open", ())
    assert isinstance(wanted(back), CallModel)


def test_each_goes_on_with_the_answer_of_the_one_it_asked() -> None:
    back = after_step(twice(), DoneForNow(message="Carried."), POLICY)
    assert back.active_agent == "runner"
    home = after_step(back, DoneForNow(message="Ran."), POLICY)
    assert (home.active_agent, home.lifecycle) == ("walker", "open")
    assert after_step(home, DoneForNow(message="Walked."), POLICY).lifecycle == "done"


def test_a_result_of_its_own_tool_does_not_end_the_asked_agents_work() -> None:
    state = after_tool_started(after_step(asked(), SHIP, FREE))
    done = fold(state, [ToolSucceeded(at=NOW, actor=ALICE, call_id=state.current_call.call_id, summary="shipped")])
    assert (done.active_agent, done.current_call, done.needs_model) == ("runner", None, True)


# What is refused


@pytest.mark.parametrize("closing", ["walker", "runner"])
def test_who_waits_for_an_answer_cannot_be_asked(closing: str) -> None:
    """Also when the circle is wider than two."""
    carrier = replace(AGENTS["carrier"], delegates=tuple(AGENTS))
    step = AskAgent(agent=closing, message="help")
    (called,) = events_for_step(twice(), step, stamp("9"), agent=carrier, policy=FREE, agents=AGENTS)
    assert isinstance(called, ToolCalled)
    assert (called.verdict.answer, called.verdict.rule, called.is_delegation) == ("deny", "preparation", False)
    assert "is waiting for an answer itself" in called.verdict.reason
    after = fold(twice(), [called])
    assert (after.active_agent, after.failures, after.needs_model) == ("carrier", 1, True)


def test_asking_in_circles_hands_over_to_a_person() -> None:
    state = asked()
    for _ in range(MAX_FAILURES):
        state = after_step(state, AskAgent(agent="walker", message="you do it"), POLICY)
    assert isinstance(wanted(state), AskHuman)


@pytest.mark.parametrize("name", ["carrier", "nobody", ""])
def test_an_agent_that_may_not_be_asked_is_not(name: str) -> None:
    called = following(thread(), AskAgent(agent=name, message="help"))
    assert (called.verdict.answer, called.verdict.reason) == ("deny", f"walker may not ask {name}")


def test_an_agent_that_is_gone_is_not_asked() -> None:
    (called,) = events_for_step(thread(), ASK_RUNNER, stamp(), agent=AGENT, policy=POLICY, agents={"walker": AGENT})
    assert isinstance(called, ToolCalled)
    assert called.verdict.answer == "deny"


# A fresh start for each


def rejected(outcome: CompletionOutcome) -> StepRejected:
    return StepRejected(at=NOW, actor=ALICE, outcome=outcome, detail="no", model="m")


def test_what_failed_for_one_agent_had_not_failed_for_the_other() -> None:
    tired = thread().model_copy(update={"failures": 2, "repairs": 2, "retries": 2})
    state = asked(tired)
    assert (state.failures, state.repairs, state.retries) == (0, 0, 0)
    state = fold(state, [rejected(CompletionOutcome.INVALID), rejected(CompletionOutcome.TIMEOUT)])
    assert (state.repairs, state.retries) == (1, 1)
    back = fold(state.model_copy(update={"failures": 2}), [following(state, DoneForNow(message="Done."))])
    assert (back.failures, back.repairs, back.retries, back.retry_at) == (0, 0, 0, None)


def test_what_is_spent_is_spent_of_the_threads_budget() -> None:
    step = StepChosen(
        at=NOW, actor=ALICE, step=SHIP, model="m", prompt_hash="p", usage=Usage(input=90, output=10), based_on=1
    )
    assert fold(asked(), [step]).spent.tokens == 100


# People and requests


def test_requests_are_opened_in_the_name_of_the_agent_at_work() -> None:
    state = asked()
    for opened in (
        following(state, RequestHumanInput(question="Where?")),
        question_request(state, RequestHumanInput(question="Why?"), stamp()),
        budget_request(state.model_copy(update={"budget": state.budget.add("steps", 3)}), "steps", POLICY, stamp()),
    ):
        assert (opened.request.agent, opened.actor) == ("runner", "agent:runner")


def test_an_approval_the_asked_agent_needs_is_asked_and_then_its_call_runs() -> None:
    state = after_step(asked(), SHIP, POLICY)
    assert (state.status, state.open_request.agent) == ("waiting_for_human", "runner")
    ready = after_answer(state)
    assert (ready.current_call.agent, isinstance(wanted(ready), RunTool)) == ("runner", True)


def test_a_call_of_the_threads_own_agent_names_no_other() -> None:
    assert after_step(thread(), SHIP, FREE).current_call.agent is None


def test_a_message_is_heard_by_the_agent_at_work() -> None:
    state = said(asked().model_copy(update={"failures": 2}), "how is it going?")
    assert (state.active_agent, state.failures, state.needs_model) == ("runner", 0, True)


def test_a_message_ends_the_wait_of_the_asked_agent() -> None:
    waiting = after_step(asked(), Await(seconds=60, reason="tide"), POLICY)
    assert waiting.status == "waiting_for_time"
    assert (said(waiting, "go on").status, said(waiting, "go on").active_agent) == ("running", "runner")
    assert fold(waiting, due_events(waiting, waiting.timer_at, PEOPLE)).active_agent == "runner"


def test_a_new_instruction_in_the_words_of_the_agent_at_work_supersedes_its_approval() -> None:
    state = said(after_step(asked(), SHIP, POLICY), "ship production")
    assert (state.open_request, state.current_call, state.active_agent) == (None, None, "runner")


# The end


def finished(state: ThreadState) -> ThreadState:
    return fold(state, [ThreadFinished(at=NOW, actor=ALICE, outcome="failed", reason="enough")])


def cancelled(state: ThreadState) -> ThreadState:
    return fold(state, [ThreadCancelled(at=NOW, actor=BOB, reason="enough")])


def forked(state: ThreadState) -> ThreadState:
    return fold(state, [ThreadForked(at=NOW, actor=BOB, thread_id="thr_2", parent="thr_1", at_seq=state.version)])


@pytest.mark.parametrize("ended", [finished, cancelled, forked])
def test_a_thread_that_ends_is_in_nobodys_hands_but_its_own_agents(ended: Any) -> None:
    state = ended(twice())
    assert (state.delegations, state.active_agent, next_work(state)) == ((), "walker", ())


@pytest.mark.parametrize("ended", [finished, forked])
def test_a_message_that_re_opens_a_thread_is_heard_by_its_own_agent(ended: Any) -> None:
    """Which has nothing to do with what the asked one was about to look up."""
    state = said(ended(after_step(thread(), ASK_RUNNER, POLICY)), "hello?")
    assert (state.active_agent, wanted(state).key) == ("walker", f"model:{state.context_seq}:0")


def test_a_pause_keeps_the_agent_at_work() -> None:
    state = fold(asked(), [ThreadPaused(at=NOW, actor=BOB, reason="wait")])
    assert (state.active_agent, state.status) == ("runner", "paused")


def test_a_call_that_runs_when_the_thread_is_cancelled_stays_the_asked_agents() -> None:
    running = after_step(asked(), SHIP, FREE)
    call = running.current_call
    assert call is not None
    begun = ToolStarted(at=NOW, actor=ALICE, call_id=call.call_id, key="k")
    state = cancelled(fold(running, [begun]))
    assert (state.active_agent, state.current_call.agent) == ("walker", "runner")


# Any history


@thorough
@given(random_histories(max_moves=60))
def test_in_any_history_the_hands_a_thread_goes_through_are_in_order(walk: RandomHistory) -> None:
    for state in walk.states:
        chain = [state.agent, *(a.agent for a in state.delegations)]
        assert len(chain) == len(set(chain))
        assert [a.delegator for a in state.delegations] == chain[:-1]
        assert not state.delegations or state.lifecycle == "open"


@thorough
@given(random_histories(max_moves=60))
def test_in_any_history_each_call_of_an_agent_is_answered_at_most_once_by_the_one_that_was_asked(
    walk: RandomHistory,
) -> None:
    calls = {e.call_id: e.arguments["agent"] for e in walk.events if isinstance(e, ToolCalled) and e.is_delegation}
    answers = [e for e in walk.events if isinstance(e, ToolSucceeded) and e.call_id in calls]
    assert len({e.call_id for e in answers}) == len(answers)
    assert all(e.actor == f"agent:{calls[e.call_id]}" for e in answers)
    assert not {a.call_id for a in walk.state.delegations} & {e.call_id for e in answers}


@thorough
@given(random_histories(max_moves=60))
def test_in_any_history_the_log_says_who_was_at_work(walk: RandomHistory) -> None:
    for before, event in zip(walk.states, walk.events, strict=False):
        if isinstance(event, StepChosen | ToolCalled):
            assert event.actor == agent_address(before)


def test_there_are_histories_in_which_agents_ask_two_deep_and_hear_back() -> None:
    def returned(walk: RandomHistory) -> bool:
        depths = [len(state.delegations) for state in walk.states]
        return any(pair == (2, 1) and 0 in depths[place:] for place, pair in enumerate(pairwise(depths)))

    assert find_history(lambda walk: returned(walk) and walk.state.lifecycle == "open")


# Whose events are whose


def owners(walk: RandomHistory) -> list[str | None]:
    """For each event the call its agent works for, None for the thread's own: by the states, not by the events."""
    tops = [state.delegations[-1].call_id if state.delegations else None for state in walk.states]
    return [
        after if isinstance(event, ToolSucceeded) else before
        for before, after, event in zip(tops, tops[1:], walk.events, strict=False)
    ]


def is_remembered(walk: RandomHistory, index: int) -> bool:
    return comes_in(walk, index) and not is_replaced(walk, index)


def comes_in(walk: RandomHistory, index: int) -> bool:
    return walk.states[index].context_seq != walk.states[index + 1].context_seq


def is_replaced(walk: RandomHistory, index: int) -> bool:
    """Of several failed calls of the model in a row, the next one takes the place of this one."""
    following = next((later for later in range(index + 1, len(walk.events)) if comes_in(walk, later)), None)
    if following is None:
        return False
    before, after = walk.states[following], walk.states[following + 1]
    return len(before.history) + before.dropped_events == len(after.history) + after.dropped_events


def own_events(events: Sequence[HistoryEvent]) -> list[HistoryEvent]:
    return [event for event, own in mark_own_events(events) if own]


@thorough
@given(random_histories(max_moves=80))
def test_an_asked_agent_knows_its_own_events_and_no_others(walk: RandomHistory) -> None:
    if not walk.state.delegations:
        return
    mine = walk.state.delegations[-1].call_id
    expected = [
        event
        for index, (event, owner) in enumerate(zip(walk.events, owners(walk), strict=True))
        if owner == mine and is_remembered(walk, index)
    ]
    own = own_events(agent_context(walk.state).since)
    assert own == expected[max(0, len(expected) - len(own)) :]
    assert len(own) == len(expected) or len(walk.state.history) == MAX_HISTORY_EVENTS


def test_the_threads_own_agent_is_told_the_call_and_the_answer_of_the_one_it_asked_and_nothing_between() -> None:
    state = after_step(after_step(asked(), SHIP, FREE), DoneForNow(message="Done."), POLICY)
    kinds = [event.type for event in own_events(state.history)]
    assert kinds == ["MessageReceived", "ToolCalled", "ToolSucceeded"]


def forgetful(state: ThreadState, keep: int) -> tuple[HistoryEvent, ...]:
    return state.history[-keep:]


def test_behind_an_answer_whose_call_is_forgotten_all_that_came_before_is_not_the_agents_own() -> None:
    state = said(after_step(after_step(asked(), SHIP, FREE), DoneForNow(message="Done."), POLICY), "thanks")
    kinds = [(event.type, own) for event, own in mark_own_events(forgetful(state, 3))]
    assert kinds == [("ToolCalled", False), ("ToolSucceeded", True), ("MessageReceived", True)]


def test_when_the_call_that_asked_is_forgotten_all_that_is_remembered_came_after_it() -> None:
    state = asked(thread())
    for n in range(MAX_HISTORY_EVENTS):
        state = fold(state, [message_received(f"m{n}")])
    scope = agent_context(state)
    assert (len(scope.before), len(scope.since)) == (0, MAX_HISTORY_EVENTS)
    assert state.delegations[-1].message == "ship it"
