"""Requests to people and their answers. The event store ensures that each request is decided only once."""

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from agents.core.messages import Assurance, Receipt
from agents.core.policy import ApprovalTerms, PolicyDecision
from agents.core.steps import AnswerFormat, Urgency
from agents.core.values import Address, FrozenModel

Decision = Literal["approve", "deny", "edit", "answer"]
RequestStatus = Literal["open", "approved", "denied", "answered", "expired", "superseded", "cancelled"]
RETRY_CALL = "run again"
"""Answer to an outcome question that starts the call again; it needs the same rights as approving the call."""

MAX_UNCOUNTED_ANSWERS_KEPT = 10
"""Limit on uncounted answers kept in a request; the log holds more of them."""

MAX_UNCOUNTED_ANSWERS = 100
"""Limit on uncounted answers of a request that are logged; each of them still gets a reply."""

Purpose = Literal["tool", "budget", "question", "handover", "outcome"]
"""Subject of a request: approve a tool call, approve more budget, answer an agent's question, say how a stuck agent
should go on, or report whether an interrupted call took effect.
"""


class Answer(FrozenModel):
    """An answer to a request. `entered_by` is the authenticated address if it differs from `by`.

    `arguments` are the new arguments of an edit, `text` is the answer to a question.
    """

    by: Address
    entered_by: Address | None = None
    channel: Address
    assurance: Assurance
    decision: Decision
    comment: str | None = None
    text: str | None = None
    arguments: dict[str, Any] | None = None


class RecordedAnswer(FrozenModel):
    """An answer recorded in a request. It is `counted` if it had an effect; else `reason` says why it had none.

    `is_proposal` marks an edit that changed the arguments without approving them.
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
    is_proposal: bool = Field(default=False, exclude_if=lambda is_proposal: not is_proposal)


class PostedCard(FrozenModel):
    """A card of the request that a channel delivered, as of its last update.

    `settled_at` is the time of the last update. While `state` is `open`, it says nothing about an end of the request.
    `confirmed_at` is the time at which the card reached its recipient, if the channel reports that.
    """

    address: Address
    state: RequestStatus
    receipt: Receipt
    shown_at: AwareDatetime | None = None
    settled_at: AwareDatetime | None = None
    confirmed_at: AwareDatetime | None = Field(default=None, exclude_if=lambda at: at is None)

    @property
    def confirm_by(self) -> datetime | None:
        """Time by which the channel has to report that the card reached its recipient; None if it need not or has."""
        return self.receipt.confirm_by if self.confirmed_at is None else None


def _optional_field(default: Any) -> Any:
    """Return a field that older requests do not have; it is written only when it is not empty."""
    return Field(default=default, exclude_if=lambda value: not value)


class Deciders(FrozenModel):
    """People who may decide: those of one role, or people named individually (`role` None).

    `more` is the number of people left out of the list.
    """

    role: str | None = None
    people: tuple[Address, ...] = ()
    more: int = 0


class UndeliverableCard(FrozenModel):
    """A card of the request that could not be delivered, and the reason."""

    address: Address
    reason: str
    at: AwareDatetime


class Request(FrozenModel):
    """An approval or a question to people, independent of the cards (messages) that show it.

    `code` is a short name to read aloud and type. `digest` is the hash of the exact content; an approval is valid for
    this digest only. `reminded` and `escalated` count the reminders and escalation steps so far. `is_kept_open` marks a
    request that expired but stays open. `reasoning` is text of the agent: people see it, but it is not part of what
    they approve. `deciders` and `names` (by address) are for display, as of the opening or the last edit; the terms in
    `policy` are authoritative. Uncounted `answers` are kept up to MAX_UNCOUNTED_ANSWERS_KEPT, the last ones;
    `refused_count` is the number that was logged, at most MAX_UNCOUNTED_ANSWERS. `filled_in` names the arguments that
    the tool's preparation set; if an edit leaves them out, they are set again. `unshown` is the reason why its
    conversation could not show it, until a card is delivered elsewhere.
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
        """The distinct addresses whose messages led to this request, the opener of the thread first."""
        return tuple(dict.fromkeys((self.requester, *self.requesters)))

    @property
    def last_edit(self) -> RecordedAnswer | None:
        """The last edit that counts, or None. It set the current arguments."""
        return next((a for a in reversed(self.answers) if a.counted and a.decision == "edit"), None)

    @property
    def approvals(self) -> tuple[RecordedAnswer, ...]:
        """The answers that approve the current version of the request, in order."""
        counted = (a for a in self.answers if a.counted and a.decision in ("approve", "edit"))
        return tuple(a for a in counted if not a.is_proposal)

    @property
    def approvers(self) -> tuple[Address, ...]:
        """The distinct people whose approval counts, in order."""
        return tuple(dict.fromkeys(a.by for a in self.approvals))

    def with_answer(self, answer: RecordedAnswer) -> "Request":
        """Return the request with one more answer; only the last uncounted answers are kept."""
        answers = (*self.answers, answer)
        kept = [one for one in answers if not one.counted][-MAX_UNCOUNTED_ANSWERS_KEPT:]
        answers = tuple(one for one in answers if one.counted or any(one is other for other in kept))
        if answer.counted:
            return self.model_copy(update={"answers": answers})
        return self.model_copy(update={"answers": answers, "refused_count": (self.refused_count or 0) + 1})
