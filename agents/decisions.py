"""Judging an answer: does it fit the request, and may this person decide it? Pure; called when the answer comes in."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from agents.addresses import Address, person_address
from agents.cards import allowed_choices
from agents.errors import AlreadySettled, InvalidAnswer, StaleApproval
from agents.frozen import FrozenModel
from agents.messages import Provenance
from agents.people import People, Person
from agents.policy import ApprovalTerms, PolicyDecision
from agents.requests import RETRY_CALL, Answer, RecordedAnswer, Request, RequestStatus


class EditedCall(FrozenModel):
    """The arguments an answer puts in place of those that were asked about, and policy's verdict on them."""

    arguments: dict[str, Any]
    digest: str
    policy: PolicyDecision


class AnswerEvaluation(FrozenModel):
    """What an answer does to its request. `refused` says why it does not count, in words for the person who gave it."""

    answer: RecordedAnswer
    status: RequestStatus
    rejection_reason: str | None = None
    provenance: Provenance = Provenance.VERIFIED_PERSON


def evaluate_answer(
    request: Request,
    answer: Answer,
    *,
    people: People,
    now: datetime,
    shown_digest: str | None = None,
    edited_call: EditedCall | None = None,
) -> AnswerEvaluation:
    """Judge one answer. `seen` is the digest of what the person saw, when their channel tells.

    An edit must be allowed by the terms of the request and by those of its new arguments. The right to answer is looked
    at before the answer itself. Raises AlreadySettled, ApprovalChanged (the request was edited meanwhile) and
    InvalidAnswer.
    """
    _check_open(request, now)
    if shown_digest is not None and shown_digest != request.digest:
        raise StaleApproval(details=request)
    known = Provenance.UNVERIFIED if people.get(answer.by) is None else Provenance.VERIFIED_PERSON
    terms = (request.terms, edited_call.policy.ask or request.terms) if edited_call else (request.terms,)
    if why := next(filter(None, (rejection_reason(request, answer, ask, people) for ask in terms)), None):
        given = _to_recorded_answer(answer, people, now, reason=why)
        return AnswerEvaluation(answer=given, status="open", rejection_reason=why, provenance=known)
    _check_shown_version(request, answer, shown_digest)
    _check_answer_type(request, answer, edited_call)
    proposed = edited_call is not None and not all(ask.editor_may_approve for ask in terms)
    given = _to_recorded_answer(answer, people, now, is_proposal=proposed)
    status = _status_after(request, given, terms[-1], is_edited=edited_call is not None)
    return AnswerEvaluation(answer=given, status=status, provenance=known)


def _check_open(request: Request, now: datetime) -> None:
    if request.status != "open":
        raise AlreadySettled(f"request {request.code} is settled: {request.status}", details=request)
    if not request.is_kept_open and now >= request.expires_at:
        raise AlreadySettled(f"request {request.code} ran out at {request.expires_at:%H:%M} UTC", details=request)


def _check_shown_version(request: Request, answer: Answer, shown_digest: str | None) -> None:
    """Refuse to approve an edited request blindly: the digest tells which version the person saw."""
    if answer.decision == "approve" and shown_digest is None and request.last_edit is not None:
        raise StaleApproval(
            f"request {request.code} was edited after it was opened; look at it again and approve it with its digest",
            details=request,
        )


def _check_answer_type(request: Request, answer: Answer, edited_call: EditedCall | None) -> None:
    fitting = ("answer",) if request.kind == "question" else ("approve", "deny", "edit")
    if answer.decision not in fitting:
        raise InvalidAnswer(f"request {request.code} takes {' or '.join(fitting)}, not {answer.decision}")
    if answer.decision == "answer":
        _check_answer_text(request, answer.text)
    if answer.decision == "edit" and (edited_call is None or request.purpose != "tool"):
        raise InvalidAnswer("an edit needs the new arguments of a tool call")


def _check_answer_text(request: Request, text: str | None) -> None:
    if not (text or "").strip():
        raise InvalidAnswer(f"request {request.code} wants a text as its answer")
    if (allowed := allowed_choices(request)) and text not in allowed:
        raise InvalidAnswer(f"request {request.code} takes one of: {', '.join(allowed)}")


def rejection_reason(request: Request, answer: Answer, terms: ApprovalTerms, people: People) -> str | None:
    """Why this person may not give this answer, or None. Denying is always possible for those who could approve."""
    who = people.get(answer.by)
    informs = not _is_approving(request, answer)
    if informs and is_same_person(request.requester, answer.by, people):
        return None
    if who is None or not may_decide(who, terms):
        name = answer.by if who is None else people.name_of(answer.by)
        return f"{name} is not among those who may decide this: {_describe_terms(terms, people)}"
    if informs:
        return None
    if why := _conflict_of_interest(request, answer, terms, people):
        return why
    if answer.assurance.rank < terms.min_assurance.rank:
        return f"{answer.channel.scheme} is of {answer.assurance} assurance; approving this takes {terms.min_assurance}"
    return None


def _conflict_of_interest(request: Request, answer: Answer, terms: ApprovalTerms, people: People) -> str | None:
    """Return why the giver of the answer, or the person who entered it, has too much part in the request."""
    acting = _acting_addresses(answer, people)
    if not terms.requester_may_approve and _share_person(request.all_requesters, acting, people):
        return "you are among those who asked for this, so you may not approve it; this needs a second person"
    if answer.decision == "approve" and _has_approved(request, answer, acting, people):
        return "you have approved this already, for yourself or for another; it needs one more person"
    edit = request.last_edit
    if (
        answer.decision == "approve"
        and edit
        and edit.is_proposal
        and _share_person(_acting_addresses(edit, people), acting, people)
    ):
        return "you edited this version, so another person must approve it"
    return None


def _has_approved(request: Request, answer: Answer, acting: tuple[Address, ...], people: People) -> bool:
    """Return whether a person who acts here is behind an approval in another name: a quorum takes different people."""
    others = (given for given in request.approvals if not is_same_person(given.by, answer.by, people))
    return any(_share_person(_acting_addresses(given, people), acting, people) for given in others)


def _acting_addresses(answer: Answer | RecordedAnswer, people: People) -> tuple[Address, ...]:
    """Return the address that answers, and the one that entered the answer if a known person did."""
    entered = answer.entered_by
    return (answer.by, entered) if entered is not None and people.get(entered) is not None else (answer.by,)


def _share_person(first: Iterable[Address], second: tuple[Address, ...], people: People) -> bool:
    return any(is_same_person(one, other, people) for one in first for other in second)


def _is_approving(request: Request, answer: Answer) -> bool:
    """Whether the answer lets something run: then it takes the strength of an approval."""
    if request.purpose == "outcome":
        return answer.text == RETRY_CALL
    return answer.decision in ("approve", "edit")


def may_decide(person: Person, terms: ApprovalTerms) -> bool:
    """Whether the terms name this person, or a role of theirs."""
    return person.key in terms.people or "*" in terms.roles or any(person.has_role(role) for role in terms.roles)


def is_same_person(one: Address, other: Address, people: People) -> bool:
    """Whether two addresses are the same human: handles differ per channel, people do not."""
    first, second = people.get(one), people.get(other)
    return one == other or (first is not None and first == second)


def _describe_terms(terms: ApprovalTerms, people: People) -> str:
    named = [*(f"role {role}" for role in terms.roles), *(people.name_of(person_address(key)) for key in terms.people)]
    return ", ".join(named) or "nobody"


def _to_recorded_answer(
    answer: Answer, people: People, now: datetime, *, reason: str | None = None, is_proposal: bool = False
) -> RecordedAnswer:
    """The answer under its giver's own name, so that one person counts once whatever address they use."""
    who = people.get(answer.by)
    return RecordedAnswer(
        by=person_address(who.key) if who else answer.by,
        entered_by=answer.entered_by,
        channel=answer.channel,
        assurance=answer.assurance,
        decision=answer.decision,
        comment=answer.comment,
        text=answer.text,
        at=now,
        counted=reason is None,
        reason=reason,
        is_proposal=is_proposal,
    )


def _status_after(
    request: Request, recorded: RecordedAnswer, terms: ApprovalTerms, *, is_edited: bool
) -> RequestStatus:
    if recorded.decision == "deny":
        return "denied"
    if recorded.decision == "answer":
        return "answered"
    if recorded.is_proposal:
        return "open"
    approvers = {recorded.by} if is_edited else {*request.approvers, recorded.by}
    return "approved" if len(approvers) >= terms.quorum else "open"


def lapse_reason(
    terms: ApprovalTerms, approvals: Iterable[RecordedAnswer], requesters: tuple[Address, ...], people: People
) -> str | None:
    """Return why the approvals no longer suffice, asked again before the tool runs; None while they do."""
    known = ((given, who) for given in approvals if (who := people.get(given.by)) is not None)
    counted = [(given, who) for given, who in known if _counts_now(given, who, terms, requesters, people)]
    named = {who.key for _, who in counted}
    acted = {(people.get(given.entered_by or given.by) or who).key for given, who in counted}
    if min(len(named), len(acted)) >= terms.quorum:
        return None
    return "the approval no longer holds: the rules, or the people they name, changed after it was given"


def _counts_now(
    recorded: RecordedAnswer, person: Person, terms: ApprovalTerms, requesters: tuple[Address, ...], people: People
) -> bool:
    if not may_decide(person, terms) or recorded.assurance.rank < terms.min_assurance.rank:
        return False
    if recorded.decision == "edit" and not terms.editor_may_approve:
        return False
    return terms.requester_may_approve or not _share_person(requesters, _acting_addresses(recorded, people), people)
