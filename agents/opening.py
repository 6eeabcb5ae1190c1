"""Opening requests: what a person is asked, and on which terms."""

from typing import Any

from agents.addresses import ENGINE, Address
from agents.budget import BudgetKind
from agents.digest import call_digest, question_digest
from agents.events import RequestOpened, StepRejected, ToolCalled, ToolFailed
from agents.messages import Assurance
from agents.moment import Moment
from agents.policy import Ask, Policy, Stance, Verdict
from agents.requests import RUN_AGAIN, Request
from agents.state import OpenCall, ThreadState
from agents.steps import RequestHumanInput

_MINUTE = 60
WEEK = 7 * 24 * 3600
ANYBODY = Ask(roles=("*",), requester_may_approve=True, min_assurance=Assurance.LOW, expires=WEEK)
"""The terms of a question: everybody we know may answer it. An answer informs; it never approves."""

EXTEND_BUDGET = Stance(
    effect="idempotent",
    risk="medium",
    ask=Ask(roles=("*",), requester_may_approve=True, expires=WEEK, on_expire="halt"),
)
NOBODY = Ask(on_expire="halt")
"""The terms on which a budget is asked for that policy denies: it ends by time, or when the requester gives up."""

OUTCOMES = ("ran", "did not run", RUN_AGAIN)


def ask_for_call(state: ThreadState, call: OpenCall, verdict: Verdict, moment: Moment) -> RequestOpened:
    """The approval of exactly this call."""
    return _opened(
        state,
        moment,
        kind="approval",
        purpose="tool",
        call_id=call.call_id,
        tool=call.tool,
        arguments=call.arguments,
        digest=call.digest,
        policy=verdict,
    )


def ask_question(state: ThreadState, step: RequestHumanInput, moment: Moment) -> RequestOpened:
    """The question the agent chose to ask."""
    return _opened(
        state, moment, **_question(state, step.question, step.choices), format=step.format, urgency=step.urgency
    )


def ask_for_help(state: ThreadState, why: str, moment: Moment) -> RequestOpened:
    """The agent is stuck: a person tells it how to go on."""
    question = f"{why} How should I go on?"
    return _opened(state, moment, **{**_question(state, question, ()), "purpose": "handover"})


def ask_after_failures(state: ThreadState, moment: Moment) -> RequestOpened:
    """Several attempts failed; the last reason is named."""
    reason = _last_failure(state)
    because = f"; the last one: {reason}" if reason else ""
    return ask_for_help(state, f"Several attempts in a row failed{because}.", moment)


def _last_failure(state: ThreadState) -> str:
    for event in reversed(state.recent):
        if isinstance(event, StepRejected):
            return event.detail.rstrip(". ")
        if isinstance(event, ToolFailed):
            return event.error.rstrip(". ")
        if isinstance(event, ToolCalled) and event.verdict.answer == "deny":
            return f"{event.tool}: {event.verdict.reason}".rstrip(". ")
    return ""


def ask_what_happened(state: ThreadState, call: OpenCall, moment: Moment) -> RequestOpened:
    """Nobody can tell whether a call happened: a person looks. What several had to approve, nobody repeats alone."""
    question = f"{call.tool} was started and I cannot tell whether it ran. Please look: did it?"
    choices = OUTCOMES if call.ask is None or call.ask.quorum == 1 else OUTCOMES[:-1]
    asked = {**_question(state, question, choices), "purpose": "outcome", "call_id": call.call_id}
    asked["requesters"] = call.requesters
    if call.ask is not None:
        terms = call.ask.model_copy(update={"expires": WEEK, "on_expire": "deny", "remind": (), "escalate": ()})
        asked["policy"] = Verdict(answer="ask", rule="whoever could approve it may say what became of it", ask=terms)
    return _opened(state, moment, **asked, format="multiple_choice", urgency="high")


def ask_for_budget(state: ThreadState, kind: BudgetKind, policy: Policy, moment: Moment) -> RequestOpened:
    """The approval of as much again as the thread has been given."""
    limit, used = float(getattr(state.budget, kind)), float(getattr(state.spent, kind) or 0)
    arguments = {"kind": kind, "by": limit}
    verdict = policy.verdict("extend_budget", arguments, stance=EXTEND_BUDGET)
    terms = verdict.ask or (NOBODY if verdict.answer == "deny" else EXTEND_BUDGET.ask)
    return _opened(
        state,
        moment,
        kind="approval",
        purpose="budget",
        tool="extend_budget",
        question=budget_question(kind, used, limit),
        arguments=arguments,
        digest=call_digest(state.thread_id, moment.fresh, "extend_budget", 1, arguments),
        policy=Verdict(answer="ask", rule=verdict.rule, reason=verdict.reason, ask=terms),
    )


def budget_question(kind: BudgetKind, used: float, limit: float) -> str:
    """Say what was used up and how much more is asked for."""
    match kind:
        case "usd":
            return f"used ${used:,.2f} of ${limit:,.2f}; allow ${limit:,.2f} more?"
        case "wall_clock":
            return f"worked for {_duration(used)} of {_duration(limit)}; allow {_duration(limit)} more?"
        case _:
            return f"used {used:,.0f} of {limit:,.0f} {kind}; allow {limit:,.0f} more?"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:,.0f} minutes" if seconds >= 2 * _MINUTE else f"{seconds:,.0f} seconds"


def _question(state: ThreadState, question: str, choices: tuple[str, ...]) -> dict[str, Any]:
    terms = Verdict(answer="ask", rule="anybody we know may answer a question", ask=ANYBODY)
    digest = question_digest(state.thread_id, question, choices)
    return {
        "kind": "question",
        "purpose": "question",
        "question": question,
        "choices": choices,
        "digest": digest,
        "policy": terms,
    }


def _opened(state: ThreadState, moment: Moment, **asked: Any) -> RequestOpened:
    terms = asked["policy"].ask
    requesters = state.requesters_of(asked.get("tool"), may_edit=terms is None or terms.editor_may_approve)
    request = Request(
        id=f"req_{moment.fresh}",
        code=moment.code,
        thread_id=state.thread_id,
        agent=state.acting,
        requester=state.requester,
        opened_at=moment.now,
        **{"requesters": requesters, **asked},
    )
    return RequestOpened(at=moment.now, actor=agent_address(state), request=request)


def agent_address(state: ThreadState) -> Address:
    """The agent at work as an actor."""
    return Address(f"agent:{state.acting}") if state.acting else ENGINE
