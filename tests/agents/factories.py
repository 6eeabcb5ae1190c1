"""Factories for the tests of the core: threads, requests, answers, events."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from agents.core.decisions import EditedCall, evaluate_answer
from agents.core.events import (
    KnownEvent,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    MessageSent,
    RequestAnswered,
    RequestShown,
    ThreadStarted,
    ToolStarted,
)
from agents.core.interpret import events_for_step
from agents.core.messages import Assurance, IncomingEdit, IncomingMessage, Provenance, Receipt
from agents.core.policy import ApprovalTerms, Policy, PolicyDecision, Rule
from agents.core.reducer import fold
from agents.core.requests import Answer, Request
from agents.core.state import PendingMessage, ThreadState
from agents.core.steps import CallTool, Step
from agents.core.values import Address, EventStamp
from tests.harness.people import ALICE, BOB
from tests.histories import AGENT, AGENTS, PEOPLE, START_TIME

NOW = START_TIME
TERMINAL = Address("terminal:alice")
RELEASE_TERMS = ApprovalTerms(roles=("release",))
TWO_APPROVALS = ApprovalTerms(roles=("release",), quorum=2)
ALLOW_ALL = Policy(people=PEOPLE, rules=(Rule(name="free", tool="*"),))
"""Policy whose one rule allows every tool. Unknown tools are denied all the same."""


def seconds_later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def event_stamp(new_id: str = "0001", at: datetime = NOW) -> EventStamp:
    return EventStamp(now=at, new_id=new_id, new_code=f"C{new_id}")


def policy_decision(approval_terms: ApprovalTerms, rule: str = "the rule") -> PolicyDecision:
    return PolicyDecision(answer="ask", rule=rule, ask=approval_terms)


def approval(terms: ApprovalTerms = RELEASE_TERMS, **changed: Any) -> Request:
    """Return Alice's request to push to staging, opened at NOW."""
    values = {
        "id": "req_1",
        "code": "ABCDE",
        "kind": "approval",
        "purpose": "tool",
        "thread_id": "thr_1",
        "agent": "walker",
        "requester": ALICE,
        "call_id": "call_1",
        "tool": "push",
        "arguments": {"where": "staging"},
        "digest": "d" * 64,
        "policy": policy_decision(terms),
        "opened_at": NOW,
    }
    return Request.model_validate(values | changed)


def question(terms: ApprovalTerms = RELEASE_TERMS, **changed: Any) -> Request:
    """Return the agent's question where to go, opened at NOW."""
    fields = {"kind": "question", "purpose": "question", "question": "Where to?", "tool": None, "arguments": None}
    return approval(terms, **{**fields, "call_id": None, **changed})


def answer(decision: str = "approve", by: Address = BOB, **changed: Any) -> Answer:
    values = {"by": by, "channel": Address("web:console"), "assurance": Assurance.HIGH, "decision": decision}
    return Answer.model_validate(values | changed)


def incoming_message(text: str, by: Address = ALICE, at: datetime = NOW, **changed: Any) -> IncomingMessage:
    source = Address("terminal:user")
    values = {"text": text, "by": by, "source": source, "provenance": Provenance.VERIFIED_PERSON, "at": at}
    return IncomingMessage.model_validate(values | changed)


def incoming_edit(ref: str, text: str | None, by: Address = ALICE, at: datetime = NOW, **more: Any) -> IncomingEdit:
    """Return an edit of a message, or its deletion (text None)."""
    source = Address("terminal:user")
    values = {"text": text, "by": by, "source": source, "provenance": Provenance.VERIFIED_PERSON, "at": at}
    return IncomingEdit.model_validate({"ref": ref, **values, **more})


def message_edited(ref: str, text: str, by: Address = ALICE, at: datetime = NOW, **more: Any) -> MessageEdited:
    values = {"text": text, "at": at, "actor": by, "provenance": Provenance.VERIFIED_PERSON, "source": TERMINAL}
    return MessageEdited.model_validate({"ref": ref, **values, **more})


def message_deleted(ref: str, by: Address = ALICE, at: datetime = NOW, **more: Any) -> MessageDeleted:
    values = {"at": at, "actor": by, "provenance": Provenance.VERIFIED_PERSON, "source": TERMINAL}
    return MessageDeleted.model_validate({"ref": ref, **values, **more})


def message_received(text: str, by: Address = ALICE, at: datetime = NOW, **changed: Any) -> MessageReceived:
    values = {"text": text, "at": at, "actor": by, "provenance": Provenance.VERIFIED_PERSON, "source": TERMINAL}
    return MessageReceived.model_validate(values | changed)


def thread(*events: KnownEvent, **changed: Any) -> ThreadState:
    """Return Alice's thread after her first message and these events."""
    values = {"at": NOW, "actor": ALICE, "thread_id": "thr_1", "agent": AGENT.name, "origin": TERMINAL}
    started = ThreadStarted.model_validate({**values, "requester": ALICE, **changed})
    return fold(ThreadState(), [started, message_received("go"), *events])


def after_step(state: ThreadState, step: Step, policy: Policy, at: datetime = NOW) -> ThreadState:
    """Return the thread after the events of a step."""
    new_stamp = event_stamp(new_id=f"{state.version:04}", at=at)
    return fold(
        state, events_for_step(state, step, new_stamp, agent=AGENTS[state.active_agent], policy=policy, agents=AGENTS)
    )


def thread_waiting_for_approval(
    terms: ApprovalTerms = RELEASE_TERMS, *, shown_to: Iterable[Address] = (TERMINAL,)
) -> ThreadState:
    """Return Alice's thread that waits for the approval of a push, with its cards delivered."""
    state = after_step(
        thread(), CallTool(tool="push", arguments={"where": "staging"}), policy_requiring_approval(terms)
    )
    for to in shown_to:
        state = fold(state, [request_shown(state, to)])
    return state


def policy_requiring_approval(approval_terms: ApprovalTerms) -> Policy:
    """Return a policy with a rule that requires approval of `push` on these terms."""
    return Policy.model_validate({"people": PEOPLE, "rules": [{"name": "all", "tool": "push", "ask": approval_terms}]})


def request_shown(state: ThreadState, to: Address = TERMINAL, ref: str = "m1", key: str | None = None) -> RequestShown:
    """Return the delivery of a card of the open request."""
    request = get_open_request(state)
    key = key or next(
        (m.key for m in state.pending_messages if m.to == to), f"card:{request.id}:{request.digest[:8]}:{to}"
    )
    receipt = Receipt(ref=ref, digest="s")
    return RequestShown(at=NOW, actor=Address("channel:test"), key=key, request_id=request.id, to=to, receipt=receipt)


def message_sent(pending: PendingMessage, at: datetime = NOW, ref: str = "m9") -> MessageSent:
    """Return the delivery of a message."""
    receipt = Receipt(ref=ref, digest="s")
    return MessageSent(at=at, actor=Address("channel:test"), key=pending.key, to=pending.to, receipt=receipt)


def after_answer(
    state: ThreadState,
    decision: str = "approve",
    by: Address = BOB,
    edited_call: EditedCall | None = None,
    **fields: Any,
) -> ThreadState:
    """Return the thread after an answer to its open request."""
    request = get_open_request(state)
    evaluation = evaluate_answer(
        request,
        answer(decision, by, **fields),
        people=PEOPLE,
        now=NOW,
        shown_digest=request.digest,
        edited_call=edited_call,
    )
    values = {
        "at": NOW,
        "actor": by,
        "request_id": request.id,
        "answer": evaluation.answer,
        "status": evaluation.status,
    }
    return fold(state, [RequestAnswered.model_validate({**values, **(dict(edited_call) if edited_call else {})})])


def after_tool_started(state: ThreadState) -> ThreadState:
    """Return the thread after its current call was started."""
    assert state.current_call is not None
    attempt = state.current_call.attempt + 1
    event = ToolStarted(
        at=NOW, actor=Address("system:engine"), call_id=state.current_call.call_id, key="k", attempt=attempt
    )
    return fold(state, [event])


def get_open_request(state: ThreadState) -> Request:
    assert state.open_request is not None, "there is no open request"
    return state.open_request
