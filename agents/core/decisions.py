"""Evaluate an answer to a request: whether it fits the request and whether this person may give it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from agents.core.cards import allowed_choices
from agents.core.errors import AlreadySettled, InvalidAnswer, StaleApproval
from agents.core.messages import Provenance
from agents.core.people import People, Person
from agents.core.policy import ApprovalTerms, PolicyDecision
from agents.core.requests import RETRY_CALL, Answer, RecordedAnswer, Request, RequestStatus
from agents.core.values import Address, FrozenModel, person_address


class EditedCall(FrozenModel):
    """New arguments of an edited call, with their digest and the policy decision on them."""

    arguments: dict[str, Any]
    digest: str
    policy: PolicyDecision


class AnswerEvaluation(FrozenModel):
    """An answer as it is to be recorded, and the new status of its request.

    `rejection_reason` tells the person who answered why the answer does not count; None if it counts.
    """

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
    """Evaluate one answer. `shown_digest` is the digest of the version that the person saw, if the channel knows it.

    An edit must be allowed by the terms of the request and by those of the new arguments. The right to answer is
    checked before the answer itself. Raises AlreadySettled, StaleApproval (the request was edited meanwhile) and
    InvalidAnswer.
    """
    _check_open(request, now)
    if shown_digest is not None and shown_digest != request.digest:
        raise StaleApproval(details=request)
    provenance = Provenance.UNVERIFIED if people.get(answer.by) is None else Provenance.VERIFIED_PERSON
    terms = (request.terms, edited_call.policy.ask or request.terms) if edited_call else (request.terms,)
    if reason := next(filter(None, (rejection_reason(request, answer, one, people) for one in terms)), None):
        recorded = _to_recorded_answer(answer, people, now, reason=reason)
        return AnswerEvaluation(answer=recorded, status="open", rejection_reason=reason, provenance=provenance)
    _check_shown_version(request, answer, shown_digest)
    _check_answer_type(request, answer, edited_call)
    # an edit by a person who may not approve it changes the arguments and leaves the request open
    is_proposal = edited_call is not None and not all(one.editor_may_approve for one in terms)
    recorded = _to_recorded_answer(answer, people, now, is_proposal=is_proposal)
    status = _status_after(request, recorded, terms[-1], is_edited=edited_call is not None)
    return AnswerEvaluation(answer=recorded, status=status, provenance=provenance)


def _check_open(request: Request, now: datetime) -> None:
    if request.status != "open":
        raise AlreadySettled(f"request {request.code} is settled: {request.status}", details=request)
    if not request.is_kept_open and now >= request.expires_at:
        raise AlreadySettled(f"request {request.code} expired at {request.expires_at:%H:%M} UTC", details=request)


def _check_shown_version(request: Request, answer: Answer, shown_digest: str | None) -> None:
    """Require the digest for approving an edited request, because only it shows which version the person saw."""
    if answer.decision == "approve" and shown_digest is None and request.last_edit is not None:
        raise StaleApproval(
            f"request {request.code} was edited after it was opened; review it and approve it with its digest",
            details=request,
        )


def _check_answer_type(request: Request, answer: Answer, edited_call: EditedCall | None) -> None:
    allowed = ("answer",) if request.kind == "question" else ("approve", "deny", "edit")
    if answer.decision not in allowed:
        raise InvalidAnswer(f"request {request.code} accepts {' or '.join(allowed)}, not {answer.decision}")
    if answer.decision == "answer":
        _check_answer_text(request, answer.text)
    if answer.decision == "edit" and (edited_call is None or request.purpose != "tool"):
        raise InvalidAnswer("an edit needs new arguments for a tool call")


def _check_answer_text(request: Request, text: str | None) -> None:
    if not (text or "").strip():
        raise InvalidAnswer(f"request {request.code} needs a text as its answer")
    if (allowed := allowed_choices(request)) and text not in allowed:
        raise InvalidAnswer(f"request {request.code} accepts one of: {', '.join(allowed)}")


def rejection_reason(request: Request, answer: Answer, terms: ApprovalTerms, people: People) -> str | None:
    """Return why this person may not give this answer, or None.

    The opener of the thread and everyone who may decide may always deny a call, and answer a question.
    """
    person = people.get(answer.by)
    is_approving = _is_approving(request, answer)
    if not is_approving and is_same_person(request.requester, answer.by, people):
        return None
    if person is None or not may_decide(person, terms):
        name = answer.by if person is None else people.name_of(answer.by)
        return f"{name} is not allowed to decide this request ({_describe_terms(terms, people)})"
    if not is_approving:
        return None
    if conflict := _conflict_of_interest(request, answer, terms, people):
        return conflict
    if answer.assurance.rank < terms.min_assurance.rank:
        return (
            f"answers from {answer.channel.scheme} have {answer.assurance} assurance; "
            f"approving this request requires {terms.min_assurance}"
        )
    return None


def _conflict_of_interest(request: Request, answer: Answer, terms: ApprovalTerms, people: People) -> str | None:
    """Return why the person who answers, or who entered the answer, is too involved to approve; None if not."""
    actor_addresses = _acting_addresses(answer, people)
    if not terms.requester_may_approve and _share_person(request.all_requesters, actor_addresses, people):
        return "you are a requester of this, so you cannot approve it; another person must approve it"
    if answer.decision == "approve" and _has_approved(request, answer, actor_addresses, people):
        return "you have already approved this, for yourself or for another person; it needs one more person"
    edit = request.last_edit
    if (
        answer.decision == "approve"
        and edit
        and edit.is_proposal
        and _share_person(_acting_addresses(edit, people), actor_addresses, people)
    ):
        return "you edited this version, so another person must approve it"
    return None


def _has_approved(request: Request, answer: Answer, actor_addresses: tuple[Address, ...], people: People) -> bool:
    """Return whether an acting person has already approved under another name; a quorum takes different people."""
    others = (one for one in request.approvals if not is_same_person(one.by, answer.by, people))
    return any(_share_person(_acting_addresses(one, people), actor_addresses, people) for one in others)


def _acting_addresses(answer: Answer | RecordedAnswer, people: People) -> tuple[Address, ...]:
    """Return the address that answers and, if a known person entered the answer, that person's address."""
    entered = answer.entered_by
    return (answer.by, entered) if entered is not None and people.get(entered) is not None else (answer.by,)


def _share_person(first: Iterable[Address], second: tuple[Address, ...], people: People) -> bool:
    """Return whether any person has an address in both collections."""
    return any(is_same_person(one, other, people) for one in first for other in second)


def _is_approving(request: Request, answer: Answer) -> bool:
    """Return whether the answer lets a call run, so that it needs the rights and assurance of an approval."""
    if request.purpose == "outcome":
        return answer.text == RETRY_CALL
    return answer.decision in ("approve", "edit")


def may_decide(person: Person, terms: ApprovalTerms) -> bool:
    """Return whether the terms name this person or one of their roles."""
    return person.key in terms.people or "*" in terms.roles or any(person.has_role(role) for role in terms.roles)


def is_same_person(one: Address, other: Address, people: People) -> bool:
    """Return whether two addresses belong to the same person."""
    first, second = people.get(one), people.get(other)
    return one == other or (first is not None and first == second)


def _describe_terms(terms: ApprovalTerms, people: People) -> str:
    named = [*(f"role {role}" for role in terms.roles), *(people.name_of(person_address(key)) for key in terms.people)]
    return f"requires {' or '.join(named)}" if named else "it has no approvers"


def _to_recorded_answer(
    answer: Answer, people: People, now: datetime, *, reason: str | None = None, is_proposal: bool = False
) -> RecordedAnswer:
    """Return the answer under the person's own address, so that each person counts once on all channels."""
    person = people.get(answer.by)
    return RecordedAnswer(
        by=person_address(person.key) if person else answer.by,
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
    """Return why the approvals no longer suffice, checked again before the tool runs; None if they do."""
    known = ((one, person) for one in approvals if (person := people.get(one.by)) is not None)
    counted = [(one, person) for one, person in known if _counts_now(one, person, terms, requesters, people)]
    approvers = {person.key for _, person in counted}
    actors = {(people.get(one.entered_by or one.by) or person).key for one, person in counted}
    if min(len(approvers), len(actors)) >= terms.quorum:
        return None
    return "the approval is no longer valid: the rules or the people they name changed after it was given"


def _counts_now(
    recorded: RecordedAnswer, person: Person, terms: ApprovalTerms, requesters: tuple[Address, ...], people: People
) -> bool:
    """Return whether an earlier approval still counts under today's terms."""
    if not may_decide(person, terms) or recorded.assurance.rank < terms.min_assurance.rank:
        return False
    if recorded.decision == "edit" and not terms.editor_may_approve:
        return False
    return terms.requester_may_approve or not _share_person(requesters, _acting_addresses(recorded, people), people)
