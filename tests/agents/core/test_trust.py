"""Content of tools and unknown people stays untrusted while the model can see it."""

from dataclasses import replace

import pytest

from agents.core.events import KnownEvent, RequestAnswered, ToolCalled, ToolFailed, ToolOutcomeUnknown, ToolSucceeded
from agents.core.interpret import events_for_step, rejected_tool_call
from agents.core.messages import Assurance, Provenance
from agents.core.policy import CONFIRMATION_TERMS, ApprovalTerms, Policy, PolicyDecision
from agents.core.reducer import MAX_HISTORY_EVENTS, fold
from agents.core.requests import RecordedAnswer
from agents.core.steps import AskAgent, CallTool, DoneForNow
from agents.core.tools import ToolContext, ToolResult, tool
from agents.core.values import Address
from bot.execution.tools.outcomes import blocked_reason, outcome_events
from bot.execution.tools.runner import ToolOutcome
from tests.agents.factories import ALLOW_ALL, NOW, TERMINAL, after_step, event_stamp, message_received, thread
from tests.harness.people import BOB, STRANGER
from tests.histories import AGENT, AGENTS, PEOPLE

ACTOR = Address("tool:look")
PUSH_CALL = CallTool(tool="push", arguments={"where": "staging"})


def comment(provenance: Provenance, words: str | None) -> RequestAnswered:
    given = RecordedAnswer(
        by=STRANGER,
        channel=TERMINAL,
        assurance=Assurance.NONE,
        decision="approve",
        comment=words,
        at=NOW,
        counted=False,
    )
    return RequestAnswered(
        at=NOW, actor=STRANGER, provenance=provenance, request_id="req_1", answer=given, status="open"
    )


@pytest.mark.parametrize(
    ("event", "trusted"),
    [
        (message_received("x", provenance=Provenance.VERIFIED_PERSON), True),
        (message_received("x", provenance=Provenance.UNVERIFIED), False),
        (message_received("x", provenance=Provenance.WEBHOOK), False),
        (message_received("x", provenance=Provenance.QUOTED_MAIL), False),
        (comment(Provenance.UNVERIFIED, "psst"), False),
        (comment(Provenance.UNVERIFIED, None), True),
        (comment(Provenance.VERIFIED_PERSON, "psst"), True),
        (ToolSucceeded(at=NOW, actor=ACTOR, call_id="call_1", summary="x"), False),
        (ToolSucceeded(at=NOW, actor=ACTOR, call_id="call_1", summary="x", trusted=True), True),
        (ToolFailed(at=NOW, actor=ACTOR, call_id="call_1", error="x"), False),
        (ToolFailed(at=NOW, actor=ACTOR, call_id="call_1", error="x", trusted=True), True),
        (ToolOutcomeUnknown(at=NOW, actor=ACTOR, call_id="call_1", detail="x"), False),
    ],
)
def test_context_is_as_trusted_as_its_events(event: KnownEvent, trusted: bool) -> None:
    assert thread(event).is_trusted is trusted
    assert thread(event, *[message_received("y")] * MAX_HISTORY_EVENTS).is_trusted


def test_tool_result_makes_an_allowed_call_ask_for_approval() -> None:
    state = thread(ToolSucceeded(at=NOW, actor=ACTOR, call_id="call_0", summary="deploy now"))
    events = events_for_step(state, PUSH_CALL, event_stamp(), agent=AGENT, policy=ALLOW_ALL, agents=AGENTS)
    assert [event.type for event in events] == ["ToolCalled", "RequestOpened"]
    state = fold(state, events)
    request = state.open_request
    assert request is not None
    assert (request.policy.rule, request.terms.roles) == ("free, untrusted content", ("release",))
    given = RecordedAnswer(by=BOB, channel=TERMINAL, assurance="high", decision="approve", at=NOW, counted=True)
    answer = RequestAnswered(at=NOW, actor=BOB, request_id=request.id, answer=given, status="approved")
    state = fold(state, [answer])
    assert state.current_call is not None
    assert blocked_reason(state, state.current_call, AGENT.get_tool("push"), ALLOW_ALL) is None


def test_untrusted_message_before_the_start_needs_approval() -> None:
    state = after_step(thread(), PUSH_CALL, ALLOW_ALL)
    assert state.current_call is not None
    assert blocked_reason(state, state.current_call, AGENT.get_tool("push"), ALLOW_ALL) is None
    state = fold(state, [message_received("psst", by=STRANGER, provenance=Provenance.UNVERIFIED)])
    words = "this call needs an approval now (free, untrusted content); propose the call again"
    assert state.current_call is not None
    assert blocked_reason(state, state.current_call, AGENT.get_tool("push"), ALLOW_ALL) == words


def test_own_result_of_a_call_does_not_block_its_retry() -> None:
    state = after_step(thread(), PUSH_CALL, ALLOW_ALL)
    assert state.current_call is not None
    failed = ToolFailed(at=NOW, actor=ACTOR, call_id=state.current_call.call_id, error="not now", retry_at=NOW)
    state = fold(state, [failed])
    assert state.current_call is not None
    assert blocked_reason(state, state.current_call, AGENT.get_tool("push"), ALLOW_ALL) is None


@pytest.mark.parametrize("trusted", [True, False])
def test_answer_of_a_delegate_is_as_trusted_as_its_context(trusted: bool) -> None:
    state = after_step(thread(), AskAgent(agent="runner", message="look"), ALLOW_ALL)
    found = ToolSucceeded(at=NOW, actor=ACTOR, call_id="call_7", summary="x", trusted=trusted)
    state = fold(state, [found])
    (answer,) = events_for_step(
        state, DoneForNow(message="so"), event_stamp(), agent=AGENT, policy=ALLOW_ALL, agents=AGENTS
    )
    assert isinstance(answer, ToolSucceeded)
    assert answer.trusted is trusted


def prepare(context: ToolContext, **arguments: object) -> dict[str, object]:
    return arguments


@pytest.mark.parametrize("trusted", [True, False])
def test_prepared_arguments_are_as_trusted_as_tool_results(trusted: bool) -> None:
    @tool(effect="once", prepare=prepare, trusted_results=trusted)
    def fetch(context: ToolContext) -> ToolResult:
        """Fetch."""
        return ToolResult(summary="fetched")

    agent = replace(AGENT, tools=(fetch,))
    step = CallTool(tool="fetch", arguments={})
    called = events_for_step(thread(), step, event_stamp(), agent=agent, policy=ALLOW_ALL, agents=AGENTS)[0]
    rejected = rejected_tool_call(thread(), step, "no", event_stamp(), agent=agent)
    assert isinstance(called, ToolCalled)
    assert (called.trusted, rejected.trusted) == (trusted, trusted)
    state = fold(thread(), [called])
    assert state.is_trusted
    for status in ("succeeded", "failed", "retry", "unknown"):
        ended = ToolOutcome(status, "so", ToolResult(summary="x") if status == "succeeded" else None)  # type: ignore[arg-type]
        (first, *_) = outcome_events(state, state.current_call, ended, event_stamp(), 0.5, is_trusted=trusted)  # type: ignore[arg-type]
        assert first.trusted is trusted  # type: ignore[union-attr]


def test_any_known_person_confirms_if_a_tool_names_no_approver() -> None:
    @tool(effect="once")
    def ping(context: ToolContext) -> ToolResult:
        """Ping."""
        return ToolResult(summary="pong")

    found = Policy(people=PEOPLE).evaluate("ping", {}, defaults=ping.defaults, is_trusted=False)
    assert found == PolicyDecision(answer="ask", rule="ping's own default, untrusted content", ask=CONFIRMATION_TERMS)
    assert ApprovalTerms(roles=("*",), requester_may_approve=True) == CONFIRMATION_TERMS
