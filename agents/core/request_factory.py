"""Create the requests that people are asked, with their terms and the names of those who may decide."""

from collections.abc import Iterable
from typing import Any

from agents.core.canonical_json import call_digest, question_digest
from agents.core.completion import BudgetKind
from agents.core.events import KnownEvent, RequestAnswered, RequestOpened, StepRejected, ToolCalled, ToolFailed
from agents.core.messages import Assurance
from agents.core.people import People, Person
from agents.core.policy import ApprovalTerms, Policy, PolicyDecision, ToolDefaults
from agents.core.requests import RETRY_CALL, Deciders, Request
from agents.core.state import CurrentCall, ThreadState
from agents.core.steps import RequestHumanInput
from agents.core.values import ENGINE, Address, EventStamp, person_address

MAX_NAMES_PER_ROLE = 10
"""Limit on people listed by name per role; the others are only counted."""


def add_decider_names(event: KnownEvent, people: People, request: Request | None = None) -> KnownEvent:
    """Return the event with deciders and names filled in; for an answer, `request` is the answered request."""
    if isinstance(event, RequestOpened):
        named = event.request.model_copy(update=_decider_fields(event.request.terms, event.request, people))
        return event.model_copy(update={"request": named})
    if isinstance(event, RequestAnswered) and request is not None:
        return add_names_to_answer(event, people, request)
    return event


def add_names_to_answer(event: RequestAnswered, people: People, request: Request) -> RequestAnswered:
    """Return the answer with the name of the person who gave it and, after an edit, with the new deciders."""
    new_fields = {} if event.policy is None else _decider_fields(event.policy.ask or ApprovalTerms(), request, people)
    answer_names = people.names_of(filter(None, (event.answer.by, event.answer.entered_by)))
    names = {**new_fields.get("names", {}), **answer_names}
    return event.model_copy(update={**new_fields, "names": names} if names else new_fields)


def _decider_fields(terms: ApprovalTerms, request: Request, people: People) -> dict[str, Any]:
    requesters = request.all_requesters
    excluded = [] if terms.requester_may_approve else [people.get(address) for address in requesters]
    deciders = tuple(_resolve_deciders(terms, people, [person.key for person in excluded if person is not None]))
    found = {address: people.get(address) for group in deciders for address in group.people}
    found |= {address: people.get(address) for address in requesters}
    return {"deciders": deciders, "names": {str(a): person.name for a, person in found.items() if person is not None}}


def _resolve_deciders(terms: ApprovalTerms, people: People, excluded_keys: list[str]) -> Iterable[Deciders]:
    for role in terms.roles:
        yield _to_deciders(role, () if role == "*" else people.with_role(role), excluded_keys)
    if named := [person for key in terms.people if (person := people.get(person_address(key))) is not None]:
        yield _to_deciders(None, named, excluded_keys)


def _to_deciders(role: str | None, people: Iterable[Person], excluded_keys: list[str]) -> Deciders:
    allowed = [person_address(person.key) for person in people if person.key not in excluded_keys]
    return Deciders(role=role, people=tuple(allowed[:MAX_NAMES_PER_ROLE]), more=len(allowed[MAX_NAMES_PER_ROLE:]))


_SECONDS_PER_MINUTE = 60
WEEK_SECONDS = 7 * 24 * 3600
ANY_KNOWN_PERSON = ApprovalTerms(
    roles=("*",), requester_may_approve=True, min_assurance=Assurance.LOW, expires=WEEK_SECONDS
)
"""Terms of a question: any known person may answer it. An answer is never an approval."""

EXTEND_BUDGET_DEFAULTS = ToolDefaults(
    effect="idempotent",
    risk="medium",
    ask=ApprovalTerms(roles=("*",), requester_may_approve=True, expires=WEEK_SECONDS, on_expire="halt"),
)
"""Defaults of `extend_budget`, the built-in action behind a budget request: any known person may approve it."""

NO_APPROVER = ApprovalTerms(on_expire="halt")
"""Terms of a budget request that policy denies: it can only expire or be denied by its requester."""

OUTCOMES = ("ran", "did not run", RETRY_CALL)
"""Choices of an outcome question. RETRY_CALL is the last one, so that it can be left out."""


def approval_request(
    state: ThreadState, call: CurrentCall, policy_decision: PolicyDecision, stamp: EventStamp
) -> RequestOpened:
    """Return the approval request for exactly this call."""
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
    """Return the request for the question that the agent chose to ask."""
    return _request_opened(
        state, stamp, **_question_fields(state, step.question, step.choices), format=step.format, urgency=step.urgency
    )


def help_request(state: ThreadState, reason: str, stamp: EventStamp) -> RequestOpened:
    """Return the question how to continue, for an agent that is stuck."""
    question = f"{reason} How should I go on?"
    return _request_opened(state, stamp, **{**_question_fields(state, question, ()), "purpose": "handover"})


def repeated_failure_request(state: ThreadState, stamp: EventStamp) -> RequestOpened:
    """Return the request for help after repeated failures, with the last reason."""
    reason = _last_failure_reason(state)
    suffix = f"; the last one: {reason}" if reason else ""
    return help_request(state, f"Several attempts in a row failed{suffix}.", stamp)


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
    """Return the question whether a call with an unknown outcome ran.

    A call that needed several approvals cannot be repeated on the answer of one person, so RETRY_CALL is no choice.
    """
    question = f"{call.tool} was started, but I cannot tell whether it ran. Please check: did it run?"
    choices = OUTCOMES if call.terms is None or call.terms.quorum == 1 else OUTCOMES[:-1]
    fields = {**_question_fields(state, question, choices), "purpose": "outcome", "call_id": call.call_id}
    fields["requesters"] = call.requesters
    if call.terms is not None:
        terms = call.terms.model_copy(
            update={"expires": WEEK_SECONDS, "on_expire": "deny", "remind": (), "escalate": ()}
        )
        fields["policy"] = PolicyDecision(
            answer="ask", rule="the approvers of a call may report its outcome", ask=terms
        )
    return _request_opened(state, stamp, **fields, format="multiple_choice", urgency="high")


def budget_request(state: ThreadState, kind: BudgetKind, policy: Policy, stamp: EventStamp) -> RequestOpened:
    """Return the approval request for extending a budget by its current limit."""
    limit, used = float(getattr(state.budget, kind)), float(getattr(state.spent, kind) or 0)
    arguments = {"kind": kind, "by": limit}
    decision = policy.evaluate("extend_budget", arguments, defaults=EXTEND_BUDGET_DEFAULTS)
    terms = decision.ask or (NO_APPROVER if decision.answer == "deny" else EXTEND_BUDGET_DEFAULTS.ask)
    return _request_opened(
        state,
        stamp,
        kind="approval",
        purpose="budget",
        tool="extend_budget",
        question=budget_question(kind, used, limit),
        arguments=arguments,
        digest=call_digest(state.thread_id, stamp.new_id, "extend_budget", 1, arguments),
        policy=PolicyDecision(answer="ask", rule=decision.rule, reason=decision.reason, ask=terms),
    )


def budget_question(kind: BudgetKind, used: float, limit: float) -> str:
    """Return the text with the used amount, the limit and the requested extension."""
    match kind:
        case "usd":
            return f"used ${used:,.2f} of ${limit:,.2f}; allow ${limit:,.2f} more?"
        case "wall_clock":
            allowed = _format_duration(limit)
            return f"worked for {_format_duration(used)} of {allowed}; allow {allowed} more?"
        case _:
            return f"used {used:,.0f} of {limit:,.0f} {kind}; allow {limit:,.0f} more?"


def _format_duration(seconds: float) -> str:
    return (
        f"{seconds / _SECONDS_PER_MINUTE:,.0f} minutes"
        if seconds >= 2 * _SECONDS_PER_MINUTE
        else f"{seconds:,.0f} seconds"
    )


def _question_fields(state: ThreadState, question: str, choices: tuple[str, ...]) -> dict[str, Any]:
    decision = PolicyDecision(answer="ask", rule="any known person may answer a question", ask=ANY_KNOWN_PERSON)
    digest = question_digest(state.thread_id, question, choices)
    return {
        "kind": "question",
        "purpose": "question",
        "question": question,
        "choices": choices,
        "digest": digest,
        "policy": decision,
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
    """Return the address of the active agent, for events that it causes."""
    return Address(f"agent:{state.active_agent}") if state.active_agent else ENGINE
