"""Requests to people: records with one winner. Judging an answer is pure; deciding it once is the store's work."""

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from agents.addresses import Address
from agents.frozen import FrozenModel
from agents.messages import Assurance, Receipt
from agents.policy import ApprovalTerms, PolicyDecision
from agents.steps import AnswerFormat, Urgency

Decision = Literal["approve", "deny", "edit", "answer"]
RequestStatus = Literal["open", "approved", "denied", "answered", "expired", "superseded", "cancelled"]
RETRY_CALL = "run again"
"""The answer about a call in doubt that lets it start once more: it takes what approving the call took."""

MAX_UNCOUNTED_ANSWERS_KEPT = 10
"""The answers that did not count of one request which are kept; the log has more of them."""

MAX_UNCOUNTED_ANSWERS = 100
"""The answers that did not count of one request which enter the log; all are answered."""

Purpose = Literal["tool", "budget", "question", "handover", "outcome"]


class Answer(FrozenModel):
    """What an authenticated person said to one named request. `entered_by` is the authenticated address if not `by`."""

    by: Address
    entered_by: Address | None = None
    channel: Address
    assurance: Assurance
    decision: Decision
    comment: str | None = None
    text: str | None = None
    arguments: dict[str, Any] | None = None


class RecordedAnswer(FrozenModel):
    """An answer as the request keeps it: also those that did not count, with the reason.

    `is_proposal` marks an edit that changed the arguments and approved nothing.
    """

    by: Address
    entered_by: Address | None = None
    channel: Address
    assurance: Assurance
    decision: Decision
    comment: str | None = None
    text: str | None = None
    at: AwareDatetime
    counted: bool
    reason: str | None = None
    is_proposal: bool = Field(default=False, exclude_if=lambda proposed: not proposed)


class PostedCard(FrozenModel):
    """One copy of the request on some channel."""

    address: Address
    state: RequestStatus
    receipt: Receipt
    shown_at: AwareDatetime | None = None
    settled_at: AwareDatetime | None = None


def _optional_field(default: Any) -> Any:
    """Return a field that requests of earlier builds lack: it is written only where it says something."""
    return Field(default=default, exclude_if=lambda value: not value)


class Deciders(FrozenModel):
    """The people of one role, or those named one by one (`role` None), who may decide. `more` counts those left out."""

    role: str | None = None
    people: tuple[Address, ...] = ()
    more: int = 0


class UndeliverableCard(FrozenModel):
    """A copy of the request that no channel took, and why."""

    address: Address
    reason: str
    at: AwareDatetime


class Request(FrozenModel):
    """One approval or question, whatever number of cards show it. `held`: it ran out and stays open all the same.

    `reasoning` is the agent's own: shown to people as its words, and no part of what they approve. `deciders` and
    `names` (by address) are as they were when it was opened or last edited; the terms in `policy` are what counts.
    Of the `answers` that did not count the last MAX_REFUSALS_KEPT are kept; `refused_count` is how many entered
    the log, at most MAX_REFUSALS.
    `filled_in` names the arguments that the tool's preparation set; an edit that leaves them out has them set again.
    `unshown` is why no channel showed it where it was asked, until somebody was asked elsewhere.
    """

    id: str
    code: str
    kind: Literal["approval", "question"]
    purpose: Purpose
    thread_id: str
    agent: str
    requester: Address
    requesters: tuple[Address, ...] = _optional_field(())
    call_id: str | None = None
    tool: str | None = None
    arguments: dict[str, Any] | None = None
    question: str | None = None
    choices: tuple[str, ...] = ()
    format: AnswerFormat = "free_text"
    urgency: Urgency = "medium"
    reasoning: str = _optional_field("")
    filled_in: tuple[str, ...] = _optional_field(())
    deciders: tuple[Deciders, ...] = _optional_field(())
    names: dict[str, str] = _optional_field({})
    digest: str
    policy: PolicyDecision
    opened_at: AwareDatetime
    status: RequestStatus = "open"
    reminded: int = 0
    escalated: int = 0
    is_kept_open: bool = False
    unshown: str | None = None
    answers: tuple[RecordedAnswer, ...] = ()
    refused_count: int | None = None
    cards: tuple[PostedCard, ...] = ()
    undeliverable_cards: tuple[UndeliverableCard, ...] = Field(default=(), exclude_if=lambda cards: not cards)
    settled_at: AwareDatetime | None = None

    @property
    def terms(self) -> ApprovalTerms:
        return self.policy.ask or ApprovalTerms()

    @property
    def expires_at(self) -> datetime:
        return self.opened_at + timedelta(seconds=self.terms.expires)

    @property
    def all_requesters(self) -> tuple[Address, ...]:
        """The distinct addresses whose words led to this request, the opener of the thread first."""
        return tuple(dict.fromkeys((self.requester, *self.requesters)))

    @property
    def last_edit(self) -> RecordedAnswer | None:
        """The answer that gave the request its present arguments, if it was edited."""
        return next((a for a in reversed(self.answers) if a.counted and a.decision == "edit"), None)

    @property
    def approvals(self) -> tuple[RecordedAnswer, ...]:
        """The answers that approve the request as it stands, in the order in which they were given."""
        given = (a for a in self.answers if a.counted and a.decision in ("approve", "edit"))
        return tuple(a for a in given if not a.is_proposal)

    @property
    def approvers(self) -> tuple[Address, ...]:
        """The distinct people whose approval counts, in the order they gave it."""
        return tuple(dict.fromkeys(a.by for a in self.approvals))

    def with_answer(self, answer: RecordedAnswer) -> "Request":
        """The request with one answer more, and without those that did not count long ago."""
        answers = (*self.answers, answer)
        kept = [given for given in answers if not given.counted][-MAX_UNCOUNTED_ANSWERS_KEPT:]
        answers = tuple(given for given in answers if given.counted or any(given is one for one in kept))
        if answer.counted:
            return self.model_copy(update={"answers": answers})
        return self.model_copy(update={"answers": answers, "refused_count": (self.refused_count or 0) + 1})
