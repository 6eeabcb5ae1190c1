"""From a step to what follows: nothing runs here, and what is risky becomes a request."""

from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.addresses import Address
from agents.digest import call_digest
from agents.events import KnownEvent, NoticeGiven, ReplyChosen, RequestOpened, ThreadFinished, TimerSet, ToolCalled
from agents.interpret import MIN_ANNOUNCED_WAIT_SECONDS, events_for_step, events_for_tool_call, rejected_call
from agents.messages import Provenance
from agents.next_step import next_work
from agents.policy import Policy, Rule
from agents.reducer import fold
from agents.state import ThreadState
from agents.steps import Await, CallTool, DoneForNow, NothingToDo, RequestHumanInput, Step
from tests.agents.factories import NOW, STRANGER, message_received, stamp, thread
from tests.histories import AGENT, AGENTS, ESCALATING_TERMS, PEOPLE, POLICY, STEPS

WALKER = Address("agent:walker")


def following(step: Step, state: ThreadState | None = None, policy: Policy = POLICY) -> tuple[KnownEvent, ...]:
    return events_for_step(state or thread(), step, stamp(), agent=AGENT, policy=policy, agents=AGENTS)


def call(tool: str, **arguments: Any) -> CallTool:
    return CallTool(tool=tool, arguments=arguments)


def untrusting() -> ThreadState:
    return thread(message_received("psst", by=STRANGER, provenance=Provenance.UNVERIFIED))


def test_every_step_is_looked_at_here() -> None:
    kinds = set(get_args(get_args(Step)[0]))
    assert kinds == {type(step) for step in STEPS}


def test_a_reply_is_said_and_ends_the_run() -> None:
    reply, finished = following(DoneForNow(message="Done."))
    assert isinstance(reply, ReplyChosen)
    assert (reply.text, reply.actor, reply.provenance) == ("Done.", WALKER, Provenance.MODEL)
    assert isinstance(finished, ThreadFinished)
    assert (finished.outcome, finished.reason) == ("done", "done for now")


def test_nothing_to_do_ends_the_run_with_a_line_for_a_person_who_spoke() -> None:
    reply, finished = following(NothingToDo(reason="quiet"))
    assert isinstance(reply, ReplyChosen)
    assert reply.text == "There is nothing for me to do here: quiet"
    assert isinstance(finished, ThreadFinished)
    assert (finished.outcome, finished.reason) == ("done", "quiet")


@pytest.mark.parametrize("seconds", [1, 600, 31_536_000])
def test_a_wait_is_a_time_in_the_log_and_nothing_in_flight(seconds: int) -> None:
    *told, timer = following(Await(seconds=seconds, reason="patience"))
    assert [type(event) for event in told] == ([NoticeGiven] if seconds >= MIN_ANNOUNCED_WAIT_SECONDS else [])
    events = (timer,)
    assert events == (TimerSet(at=NOW, actor=WALKER, fires_at=NOW + timedelta(seconds=seconds), reason="patience"),)
    state = fold(thread().model_copy(update={"needs_model": False}), events)
    assert (state.status, next_work(state)) == ("waiting_for_time", ())


@pytest.mark.parametrize("seconds", [0, -1, 31_536_001])
def test_nobody_waits_for_no_time_or_for_more_than_a_year(seconds: int) -> None:
    with pytest.raises(ValidationError):
        Await(seconds=seconds, reason="patience")


def test_a_question_becomes_a_request() -> None:
    (opened,) = following(RequestHumanInput(question="Where to?", choices=("here", "there"), urgency="high"))
    assert isinstance(opened, RequestOpened)
    assert (opened.request.kind, opened.request.question, opened.request.urgency) == ("question", "Where to?", "high")


# Tools


def test_what_policy_allows_may_start() -> None:
    (called,) = following(call("look", depth=2))
    assert isinstance(called, ToolCalled)
    assert (called.verdict.answer, called.effect, called.prefetched) == ("allow", "read", False)
    assert fold(thread(), [called]).current_call.phase == "approved"


def test_what_policy_asks_about_waits_for_people_with_a_request_for_exactly_this_call() -> None:
    called, opened = following(call("ship", where="production"))
    assert isinstance(called, ToolCalled)
    assert isinstance(opened, RequestOpened)
    request = opened.request
    assert (request.call_id, request.tool, request.arguments, request.digest) == (
        called.call_id,
        "ship",
        {"where": "production"},
        called.digest,
    )
    assert (request.policy.rule, request.terms) == ("production", ESCALATING_TERMS)
    assert called.verdict.ask is None
    assert fold(thread(), [called, opened]).status == "waiting_for_human"


def test_what_policy_denies_asks_nobody() -> None:
    (called,) = following(call("ship", where="mars"))
    assert isinstance(called, ToolCalled)
    assert (called.verdict.answer, called.verdict.reason) == ("deny", "not to mars")
    state = fold(thread(), [called])
    assert (state.current_call, state.needs_model, state.failures) == (None, True, 1)


def test_a_tool_the_agent_does_not_have_is_a_denied_call() -> None:
    (called,) = following(call("dig", depth=3))
    assert isinstance(called, ToolCalled)
    assert (called.tool, called.tool_version, called.effect) == ("dig", 0, "once")
    assert (called.verdict.answer, called.verdict.rule) == ("deny", "unknown tool")


def test_a_tool_the_agent_does_not_have_is_denied_even_where_everything_is_allowed() -> None:
    free = Policy(rules=(Rule(name="free", tool="*"),), people=PEOPLE, allow_self_approval=True)
    (called,) = following(call("dig"), policy=free)
    assert isinstance(called, ToolCalled)
    assert called.verdict.answer == "deny"


def test_untrusted_content_in_the_thread_makes_an_allowed_call_ask() -> None:
    free = Policy(rules=(Rule(name="free", tool="*"),), people=PEOPLE)
    step = call("push", where="staging")
    assert [e.type for e in following(step, policy=free)] == ["ToolCalled"]
    assert [e.type for e in following(step, untrusting(), free)] == ["ToolCalled", "RequestOpened"]
    assert [e.type for e in following(call("look"), untrusting(), free)] == ["ToolCalled"]


def test_a_call_is_bound_to_its_thread_its_id_its_tool_and_its_arguments() -> None:
    (called,) = following(call("look", depth=2))
    assert isinstance(called, ToolCalled)
    assert (called.call_id, called.actor, called.provenance) == ("call_0001", WALKER, Provenance.MODEL)
    assert called.digest == call_digest("thr_1", "call_0001", "look", 1, {"depth": 2})


def test_a_call_that_makes_no_sense_is_denied_by_its_preparation() -> None:
    called = rejected_call(thread(), call("push", where="v9"), "there is no tag v9", stamp(), agent=AGENT)
    assert (called.verdict.answer, called.verdict.rule, called.verdict.reason) == (
        "deny",
        "preparation",
        "there is no tag v9",
    )
    assert called.effect == "once"


def test_a_prefetched_call_is_marked() -> None:
    (called,) = events_for_tool_call(thread(), call("look"), stamp(), agent=AGENT, policy=POLICY, is_prefetch=True)
    assert isinstance(called, ToolCalled)
    assert called.prefetched


@given(st.sampled_from(STEPS), st.booleans())
def test_nothing_is_carried_out_by_choosing(step: Step, trusted: bool) -> None:
    state = thread() if trusted else untrusting()
    kinds = {event.type for event in following(step, state)}
    assert kinds <= {"ToolCalled", "RequestOpened", "NoticeGiven", "ReplyChosen", "ThreadFinished", "TimerSet"}


@given(st.sampled_from(STEPS))
def test_the_same_step_at_the_same_moment_has_the_same_consequences(step: Step) -> None:
    assert following(step) == following(step)
