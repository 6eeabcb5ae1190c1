"""Opening requests: what a person is asked, and on which terms."""

from typing import Any

from agents.addresses import ENGINE, Address
from agents.budget import BudgetKind
from agents.digest import call_digest, question_digest
from agents.event_stamp import EventStamp
from agents.events import RequestOpened, StepRejected, ToolCalled, ToolFailed
from agents.messages import Assurance
from agents.policy import ApprovalTerms, Policy, PolicyDecision, ToolDefaults
from agents.requests import RETRY_CALL, Request
from agents.state import CurrentCall, ThreadState
from agents.steps import RequestHumanInput

_SECONDS_PER_MINUTE = 60
WEEK_SECONDS = 7 * 24 * 3600
ANY_KNOWN_PERSON = ApprovalTerms(
    roles=("*",), requester_may_approve=True, min_assurance=Assurance.LOW, expires=WEEK_SECONDS
)
"""The terms of a question: everybody we know may answer it. An answer informs; it never approves."""

EXTEND_BUDGET_DEFAULTS = ToolDefaults(
    effect="idempotent",
    risk="medium",
    ask=ApprovalTerms(roles=("*",), requester_may_approve=True, expires=WEEK_SECONDS, on_expire="halt"),
)
NO_APPROVER = ApprovalTerms(on_expire="halt")
"""The terms on which a budget is asked for that policy denies: it ends by time, or when the requester gives up."""

OUTCOMES = ("ran", "did not run", RETRY_CALL)


def approval_request(
    state: ThreadState, call: CurrentCall, policy_decision: PolicyDecision, stamp: EventStamp
) -> RequestOpened:
    """The approval of exactly this call."""
    return _request_opened(
        state,
        stamp,
        kind="approval",
        purpose="tool",
        call_id=call.call_id,
        tool=call.tool,
        arguments=call.arguments,
        digest=call.digest,
        policy=policy_decision,
    )


def question_request(state: ThreadState, step: RequestHumanInput, stamp: EventStamp) -> RequestOpened:
    """The question the agent chose to ask."""
    return _request_opened(
        state, stamp, **_question_fields(state, step.question, step.choices), format=step.format, urgency=step.urgency
    )


def help_request(state: ThreadState, reason: str, stamp: EventStamp) -> RequestOpened:
    """The agent is stuck: a person tells it how to go on."""
    question = f"{reason} How should I go on?"
    return _request_opened(state, stamp, **{**_question_fields(state, question, ()), "purpose": "handover"})


def repeated_failure_request(state: ThreadState, stamp: EventStamp) -> RequestOpened:
    """Several attempts failed; the last reason is named."""
    reason = _last_failure_reason(state)
    because = f"; the last one: {reason}" if reason else ""
    return help_request(state, f"Several attempts in a row failed{because}.", stamp)


def _last_failure_reason(state: ThreadState) -> str:
    for event in reversed(state.history):
        if isinstance(event, StepRejected):
            return event.detail.rstrip(". ")
        if isinstance(event, ToolFailed):
            return event.error.rstrip(". ")
        if isinstance(event, ToolCalled) and event.verdict.answer == "deny":
            return f"{event.tool}: {event.verdict.reason}".rstrip(". ")
    return ""


def outcome_request(state: ThreadState, call: CurrentCall, stamp: EventStamp) -> RequestOpened:
    """Nobody can tell whether a call happened: a person looks. What several had to approve, nobody repeats alone."""
    question = f"{call.tool} was started and I cannot tell whether it ran. Please look: did it?"
    choices = OUTCOMES if call.terms is None or call.terms.quorum == 1 else OUTCOMES[:-1]
    asked = {**_question_fields(state, question, choices), "purpose": "outcome", "call_id": call.call_id}
    asked["requesters"] = call.requesters
    if call.terms is not None:
        terms = call.terms.model_copy(
            update={"expires": WEEK_SECONDS, "on_expire": "deny", "remind": (), "escalate": ()}
        )
        asked["policy"] = PolicyDecision(
            answer="ask", rule="whoever could approve it may say what became of it", ask=terms
        )
    return _request_opened(state, stamp, **asked, format="multiple_choice", urgency="high")


def budget_request(state: ThreadState, kind: BudgetKind, policy: Policy, stamp: EventStamp) -> RequestOpened:
    """The approval of as much again as the thread has been given."""
    limit, used = float(getattr(state.budget, kind)), float(getattr(state.spent, kind) or 0)
    arguments = {"kind": kind, "by": limit}
    verdict = policy.evaluate("extend_budget", arguments, defaults=EXTEND_BUDGET_DEFAULTS)
    terms = verdict.ask or (NO_APPROVER if verdict.answer == "deny" else EXTEND_BUDGET_DEFAULTS.ask)
    return _request_opened(
        state,
        stamp,
        kind="approval",
        purpose="budget",
        tool="extend_budget",
        question=budget_question(kind, used, limit),
        arguments=arguments,
        digest=call_digest(state.thread_id, stamp.new_id, "extend_budget", 1, arguments),
        policy=PolicyDecision(answer="ask", rule=verdict.rule, reason=verdict.reason, ask=terms),
    )


def budget_question(kind: BudgetKind, used: float, limit: float) -> str:
    """Say what was used up and how much more is asked for."""
    match kind:
        case "usd":
            return f"used ${used:,.2f} of ${limit:,.2f}; allow ${limit:,.2f} more?"
        case "wall_clock":
            allowed = _format_duration(limit)
            return f"worked for {_format_duration(used)} of {allowed}; allow {allowed} more?"
        case _:
            return f"used {used:,.0f} of {limit:,.0f} {kind}; allow {limit:,.0f} more?"


def _format_duration(seconds: float) -> str:
    return f"{seconds / 60:,.0f} minutes" if seconds >= 2 * _SECONDS_PER_MINUTE else f"{seconds:,.0f} seconds"


def _question_fields(state: ThreadState, question: str, choices: tuple[str, ...]) -> dict[str, Any]:
    terms = PolicyDecision(answer="ask", rule="anybody we know may answer a question", ask=ANY_KNOWN_PERSON)
    digest = question_digest(state.thread_id, question, choices)
    return {
        "kind": "question",
        "purpose": "question",
        "question": question,
        "choices": choices,
        "digest": digest,
        "policy": terms,
    }


def _request_opened(state: ThreadState, stamp: EventStamp, **fields: Any) -> RequestOpened:
    terms = fields["policy"].ask
    requesters = state.requesters_for(fields.get("tool"), may_editor_approve=terms is None or terms.editor_may_approve)
    request = Request(
        id=f"req_{stamp.new_id}",
        code=stamp.new_code,
        thread_id=state.thread_id,
        agent=state.active_agent,
        requester=state.requester,
        opened_at=stamp.now,
        **{"requesters": requesters, **fields},
    )
    return RequestOpened(at=stamp.now, actor=agent_address(state), request=request)


def agent_address(state: ThreadState) -> Address:
    """The agent at work as an actor."""
    return Address(f"agent:{state.active_agent}") if state.active_agent else ENGINE
