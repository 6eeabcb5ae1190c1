"""Events that follow from a step: nothing runs, and risky calls become requests."""

from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.core.canonical_json import call_digest
from agents.core.events import KnownEvent, NoticeGiven, ReplyChosen, RequestOpened, ThreadFinished, TimerSet, ToolCalled
from agents.core.interpret import MIN_ANNOUNCED_WAIT_SECONDS, events_for_step, events_for_tool_call, rejected_tool_call
from agents.core.messages import Provenance
from agents.core.next_step import next_work
from agents.core.policy import Policy, Rule
from agents.core.reducer import fold
from agents.core.state import ThreadState
from agents.core.steps import Await, CallTool, DoneForNow, NothingToDo, RequestHumanInput, Step
from agents.core.values import Address
from tests.agents.factories import NOW, event_stamp, message_received, thread
from tests.harness.people import STRANGER
from tests.histories import AGENT, AGENTS, ESCALATING_TERMS, PEOPLE, POLICY, STEPS

WALKER = Address("agent:walker")


def events_after(step: Step, state: ThreadState | None = None, policy: Policy = POLICY) -> tuple[KnownEvent, ...]:
    return events_for_step(state or thread(), step, event_stamp(), agent=AGENT, policy=policy, agents=AGENTS)


def call(tool: str, **arguments: Any) -> CallTool:
    return CallTool(tool=tool, arguments=arguments)


def untrusted_thread() -> ThreadState:
    return thread(message_received("psst", by=STRANGER, provenance=Provenance.UNVERIFIED))


def test_steps_of_histories_cover_every_kind() -> None:
    kinds = set(get_args(get_args(Step)[0]))
    assert kinds == {type(step) for step in STEPS}


def test_done_step_chooses_a_reply_and_finishes_the_thread() -> None:
    reply, finished = events_after(DoneForNow(message="Done."))
    assert isinstance(reply, ReplyChosen)
    assert (reply.text, reply.actor, reply.provenance) == ("Done.", WALKER, Provenance.MODEL)
    assert isinstance(finished, ThreadFinished)
    assert (finished.outcome, finished.reason) == ("done", "done for now")


def test_nothing_to_do_replies_to_a_waiting_person() -> None:
    reply, finished = events_after(NothingToDo(reason="quiet"))
    assert isinstance(reply, ReplyChosen)
    assert reply.text == "There is nothing for me to do here: quiet"
    assert isinstance(finished, ThreadFinished)
    assert (finished.outcome, finished.reason) == ("done", "quiet")


@pytest.mark.parametrize("seconds", [1, 600, 31_536_000])
def test_wait_is_recorded_and_starts_no_work(seconds: int) -> None:
    *notices, timer = events_after(Await(seconds=seconds, reason="patience"))
    assert [type(event) for event in notices] == ([NoticeGiven] if seconds >= MIN_ANNOUNCED_WAIT_SECONDS else [])
    events = (timer,)
    assert events == (TimerSet(at=NOW, actor=WALKER, fires_at=NOW + timedelta(seconds=seconds), reason="patience"),)
    state = fold(thread().model_copy(update={"needs_model": False}), events)
    assert (state.status, next_work(state)) == ("waiting_for_time", ())


@pytest.mark.parametrize("seconds", [0, -1, 31_536_001])
def test_wait_is_one_second_to_one_year(seconds: int) -> None:
    with pytest.raises(ValidationError):
        Await(seconds=seconds, reason="patience")


def test_question_becomes_a_request() -> None:
    (opened,) = events_after(RequestHumanInput(question="Where to?", choices=("here", "there"), urgency="high"))
    assert isinstance(opened, RequestOpened)
    assert (opened.request.kind, opened.request.question, opened.request.urgency) == ("question", "Where to?", "high")


# Tools


def test_allowed_call_may_start() -> None:
    (called,) = events_after(call("look", depth=2))
    assert isinstance(called, ToolCalled)
    assert (called.verdict.answer, called.effect, called.prefetched) == ("allow", "read", False)
    assert fold(thread(), [called]).current_call.phase == "approved"


def test_call_that_needs_approval_opens_a_request_for_it() -> None:
    called, opened = events_after(call("ship", where="production"))
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


def test_denied_call_opens_no_request() -> None:
    (called,) = events_after(call("ship", where="mars"))
    assert isinstance(called, ToolCalled)
    assert (called.verdict.answer, called.verdict.reason) == ("deny", "not to mars")
    state = fold(thread(), [called])
    assert (state.current_call, state.needs_model, state.failures) == (None, True, 1)


def test_call_of_a_missing_tool_is_denied() -> None:
    (called,) = events_after(call("dig", depth=3))
    assert isinstance(called, ToolCalled)
    assert (called.tool, called.tool_version, called.effect) == ("dig", 0, "once")
    assert (called.verdict.answer, called.verdict.rule) == ("deny", "unknown tool")


def test_call_of_a_missing_tool_is_denied_despite_allow_rules() -> None:
    free = Policy(rules=(Rule(name="free", tool="*"),), people=PEOPLE, allow_self_approval=True)
    (called,) = events_after(call("dig"), policy=free)
    assert isinstance(called, ToolCalled)
    assert called.verdict.answer == "deny"


def test_untrusted_content_makes_an_allowed_call_ask() -> None:
    free = Policy(rules=(Rule(name="free", tool="*"),), people=PEOPLE)
    step = call("push", where="staging")
    assert [e.type for e in events_after(step, policy=free)] == ["ToolCalled"]
    assert [e.type for e in events_after(step, untrusted_thread(), free)] == ["ToolCalled", "RequestOpened"]
    assert [e.type for e in events_after(call("look"), untrusted_thread(), free)] == ["ToolCalled"]


def test_digest_covers_thread_call_tool_and_arguments() -> None:
    (called,) = events_after(call("look", depth=2))
    assert isinstance(called, ToolCalled)
    assert (called.call_id, called.actor, called.provenance) == ("call_0001", WALKER, Provenance.MODEL)
    assert called.digest == call_digest("thr_1", "call_0001", "look", 1, {"depth": 2})


def test_call_rejected_by_its_preparation_is_denied() -> None:
    called = rejected_tool_call(thread(), call("push", where="v9"), "there is no tag v9", event_stamp(), agent=AGENT)
    assert (called.verdict.answer, called.verdict.rule, called.verdict.reason) == (
        "deny",
        "preparation",
        "there is no tag v9",
    )
    assert called.effect == "once"


def test_prefetched_call_is_marked() -> None:
    (called,) = events_for_tool_call(
        thread(), call("look"), event_stamp(), agent=AGENT, policy=POLICY, is_prefetch=True
    )
    assert isinstance(called, ToolCalled)
    assert called.prefetched


@given(st.sampled_from(STEPS), st.booleans())
def test_choosing_a_step_executes_nothing(step: Step, trusted: bool) -> None:
    state = thread() if trusted else untrusted_thread()
    kinds = {event.type for event in events_after(step, state)}
    assert kinds <= {"ToolCalled", "RequestOpened", "NoticeGiven", "ReplyChosen", "ThreadFinished", "TimerSet"}


@given(st.sampled_from(STEPS))
def test_equal_steps_give_equal_events(step: Step) -> None:
    assert events_after(step) == events_after(step)
