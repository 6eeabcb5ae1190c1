"""Judging an answer: does it fit the request, and may this person decide it? Pure; called when the answer comes in."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from agents.addresses import Address, person
from agents.cards import choices_of
from agents.errors import AlreadySettled, ApprovalChanged, InvalidAnswer
from agents.frozen import Frozen
from agents.messages import Provenance
from agents.people import People, Person
from agents.policy import Ask, Verdict
from agents.requests import RUN_AGAIN, Answer, GivenAnswer, Request, RequestStatus


class Edited(Frozen):
    """The arguments an answer puts in place of those that were asked about, and policy's verdict on them."""

    arguments: dict[str, Any]
    digest: str
    policy: Verdict


class Judgement(Frozen):
    """What an answer does to its request. `refused` says why it does not count, in words for the person who gave it."""

    given: GivenAnswer
    status: RequestStatus
    refused: str | None = None
    provenance: Provenance = Provenance.VERIFIED_PERSON


def judge(
    request: Request,
    answer: Answer,
    *,
    people: People,
    now: datetime,
    seen: str | None = None,
    edited: Edited | None = None,
) -> Judgement:
    """Judge one answer. `seen` is the digest of what the person saw, when their channel tells.

    An edit must be allowed by the terms of the request and by those of its new arguments. The right to answer is looked
    at before the answer itself. Raises AlreadySettled, ApprovalChanged (the request was edited meanwhile) and
    InvalidAnswer.
    """
    _refuse_late(request, now)
    if seen is not None and seen != request.digest:
        raise ApprovalChanged(details=request)
    known = Provenance.UNVERIFIED if people.get(answer.by) is None else Provenance.VERIFIED_PERSON
    terms = (request.ask, edited.policy.ask or request.ask) if edited else (request.ask,)
    if why := next(filter(None, (objection(request, answer, ask, people) for ask in terms)), None):
        given = _given(answer, people, now, reason=why)
        return Judgement(given=given, status="open", refused=why, provenance=known)
    _refuse_unseen(request, answer, seen)
    _refuse_misfit(request, answer, edited)
    proposed = edited is not None and not all(ask.editor_may_approve for ask in terms)
    given = _given(answer, people, now, is_proposal=proposed)
    status = _status(request, given, terms[-1], fresh=edited is not None)
    return Judgement(given=given, status=status, provenance=known)


def _refuse_late(request: Request, now: datetime) -> None:
    if request.status != "open":
        raise AlreadySettled(f"request {request.code} is settled: {request.status}", details=request)
    if not request.held and now >= request.expires_at:
        raise AlreadySettled(f"request {request.code} ran out at {request.expires_at:%H:%M} UTC", details=request)


def _refuse_unseen(request: Request, answer: Answer, seen: str | None) -> None:
    """Refuse to approve an edited request blindly: the digest tells which version the person saw."""
    if answer.decision == "approve" and seen is None and request.edit is not None:
        raise ApprovalChanged(
            f"request {request.code} was edited after it was opened; look at it again and approve it with its digest",
            details=request,
        )


def _refuse_misfit(request: Request, answer: Answer, edited: Edited | None) -> None:
    fitting = ("answer",) if request.kind == "question" else ("approve", "deny", "edit")
    if answer.decision not in fitting:
        raise InvalidAnswer(f"request {request.code} takes {' or '.join(fitting)}, not {answer.decision}")
    if answer.decision == "answer":
        _refuse_unfit_text(request, answer.text)
    if answer.decision == "edit" and (edited is None or request.purpose != "tool"):
        raise InvalidAnswer("an edit needs the new arguments of a tool call")


def _refuse_unfit_text(request: Request, text: str | None) -> None:
    if not (text or "").strip():
        raise InvalidAnswer(f"request {request.code} wants a text as its answer")
    if (allowed := choices_of(request)) and text not in allowed:
        raise InvalidAnswer(f"request {request.code} takes one of: {', '.join(allowed)}")


def objection(request: Request, answer: Answer, ask: Ask, people: People) -> str | None:
    """Why this person may not give this answer, or None. Denying is always possible for those who could approve."""
    who = people.get(answer.by)
    informs = not _decides(request, answer)
    if informs and same_person(request.requester, answer.by, people):
        return None
    if who is None or not eligible(who, ask):
        name = answer.by if who is None else people.name_of(answer.by)
        return f"{name} is not among those who may decide this: {_named(ask, people)}"
    if informs:
        return None
    if why := _interest(request, answer, ask, people):
        return why
    if answer.assurance.rank < ask.min_assurance.rank:
        return f"{answer.channel.scheme} is of {answer.assurance} assurance; approving this takes {ask.min_assurance}"
    return None


def _interest(request: Request, answer: Answer, ask: Ask, people: People) -> str | None:
    """Return why the giver of the answer, or the person who entered it, has too much part in the request."""
    acting = _acting(answer, people)
    if not ask.requester_may_approve and _meet(request.asked_by, acting, people):
        return "you are among those who asked for this, so you may not approve it; this needs a second person"
    if answer.decision == "approve" and _has_approved(request, answer, acting, people):
        return "you have approved this already, for yourself or for another; it needs one more person"
    edit = request.edit
    if answer.decision == "approve" and edit and edit.is_proposal and _meet(_acting(edit, people), acting, people):
        return "you edited this version, so another person must approve it"
    return None


def _has_approved(request: Request, answer: Answer, acting: tuple[Address, ...], people: People) -> bool:
    """Return whether a person who acts here is behind an approval in another name: a quorum takes different people."""
    others = (given for given in request.approvals if not same_person(given.by, answer.by, people))
    return any(_meet(_acting(given, people), acting, people) for given in others)


def _acting(answer: Answer | GivenAnswer, people: People) -> tuple[Address, ...]:
    """Return the address that answers, and the one that entered the answer if a known person did."""
    entered = answer.entered_by
    return (answer.by, entered) if entered is not None and people.get(entered) is not None else (answer.by,)


def _meet(some: Iterable[Address], others: tuple[Address, ...], people: People) -> bool:
    return any(same_person(one, other, people) for one in some for other in others)


def _decides(request: Request, answer: Answer) -> bool:
    """Whether the answer lets something run: then it takes the strength of an approval."""
    if request.purpose == "outcome":
        return answer.text == RUN_AGAIN
    return answer.decision in ("approve", "edit")


def eligible(who: Person, ask: Ask) -> bool:
    """Whether the terms name this person, or a role of theirs."""
    return who.key in ask.people or "*" in ask.roles or any(who.has_role(role) for role in ask.roles)


def same_person(one: Address, other: Address, people: People) -> bool:
    """Whether two addresses are the same human: handles differ per channel, people do not."""
    first, second = people.get(one), people.get(other)
    return one == other or (first is not None and first == second)


def _named(ask: Ask, people: People) -> str:
    named = [*(f"role {role}" for role in ask.roles), *(people.name_of(person(key)) for key in ask.people)]
    return ", ".join(named) or "nobody"


def _given(
    answer: Answer, people: People, now: datetime, *, reason: str | None = None, is_proposal: bool = False
) -> GivenAnswer:
    """The answer under its giver's own name, so that one person counts once whatever address they use."""
    who = people.get(answer.by)
    return GivenAnswer(
        by=person(who.key) if who else answer.by,
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


def _status(request: Request, given: GivenAnswer, ask: Ask, *, fresh: bool) -> RequestStatus:
    if given.decision == "deny":
        return "denied"
    if given.decision == "answer":
        return "answered"
    if given.is_proposal:
        return "open"
    approvers = {given.by} if fresh else {*request.approvers, given.by}
    return "approved" if len(approvers) >= ask.quorum else "open"


def lapsed(ask: Ask, approvals: Iterable[GivenAnswer], requesters: tuple[Address, ...], people: People) -> str | None:
    """Return why the approvals no longer suffice, asked again before the tool runs; None while they do."""
    known = ((given, who) for given in approvals if (who := people.get(given.by)) is not None)
    counted = [(given, who) for given, who in known if _still_counts(given, who, ask, requesters, people)]
    named = {who.key for _, who in counted}
    acted = {(people.get(given.entered_by or given.by) or who).key for given, who in counted}
    if min(len(named), len(acted)) >= ask.quorum:
        return None
    return "the approval no longer holds: the rules, or the people they name, changed after it was given"


def _still_counts(given: GivenAnswer, who: Person, ask: Ask, requesters: tuple[Address, ...], people: People) -> bool:
    if not eligible(who, ask) or given.assurance.rank < ask.min_assurance.rank:
        return False
    if given.decision == "edit" and not ask.editor_may_approve:
        return False
    return ask.requester_may_approve or not _meet(requesters, _acting(given, people), people)
