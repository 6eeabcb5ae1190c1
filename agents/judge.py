"""Judging an answer: does it fit the request, and may this person decide it? Pure; called when the answer comes in."""

from datetime import datetime
from typing import Any

from agents.addresses import Address, person
from agents.cards import choices_of
from agents.errors import AlreadySettled, ApprovalChanged, InvalidAnswer
from agents.frozen import Frozen
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

    An edit must be allowed by the terms of the request and by those of its new arguments.
    Raises AlreadySettled, ApprovalChanged (the request was edited meanwhile) and InvalidAnswer.
    """
    _refuse_late(request, now)
    if seen is not None and seen != request.digest:
        raise ApprovalChanged(details=request)
    _refuse_misfit(request, answer, edited)
    terms = (request.ask, edited.policy.ask or request.ask) if edited else (request.ask,)
    for ask in terms:
        if why := objection(request, answer, ask, people):
            return Judgement(given=_given(answer, people, now, reason=why), status="open", refused=why)
    given = _given(answer, people, now)
    return Judgement(given=given, status=_status(request, given, terms[-1], fresh=edited is not None))


def _refuse_late(request: Request, now: datetime) -> None:
    if request.status != "open":
        raise AlreadySettled(f"request {request.code} is settled: {request.status}", details=request)
    if not request.held and now >= request.expires_at:
        raise AlreadySettled(f"request {request.code} ran out at {request.expires_at:%H:%M} UTC", details=request)


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
        return f"{answer.by} is not among those who may decide this: {_named(ask)}"
    if informs:
        return None
    if same_person(request.requester, answer.by, people) and not ask.requester_may_approve:
        return "whoever asked may not approve it; this needs a second person"
    if answer.assurance.rank < ask.min_assurance.rank:
        return f"{answer.channel.scheme} is of {answer.assurance} assurance; approving this takes {ask.min_assurance}"
    return None


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


def _named(ask: Ask) -> str:
    named = [*(f"role {role}" for role in ask.roles), *ask.people]
    return ", ".join(named) or "nobody"


def _given(answer: Answer, people: People, now: datetime, reason: str | None = None) -> GivenAnswer:
    """The answer under its giver's own name, so that one person counts once whatever address they use."""
    who = people.get(answer.by)
    return GivenAnswer(
        by=person(who.key) if who else answer.by,
        channel=answer.channel,
        assurance=answer.assurance,
        decision=answer.decision,
        comment=answer.comment,
        text=answer.text,
        at=now,
        counted=reason is None,
        reason=reason,
    )


def _status(request: Request, given: GivenAnswer, ask: Ask, *, fresh: bool) -> RequestStatus:
    if given.decision == "deny":
        return "denied"
    if given.decision == "answer":
        return "answered"
    approvers = {given.by} if fresh else {*request.approvers, given.by}
    return "approved" if len(approvers) >= ask.quorum else "open"


def lapsed(ask: Ask, approvers: tuple[Address, ...], requester: Address, people: People) -> str | None:
    """Asked again before the tool runs: why the approvals no longer suffice, or None while they do."""
    known = [who for address in approvers if (who := people.get(address)) is not None and eligible(who, ask)]
    requesting = None if ask.requester_may_approve else people.get(requester)
    if len({who.key for who in known if who != requesting}) >= ask.quorum:
        return None
    return "the approval no longer holds: the rules, or the people they name, changed after it was given"
