"""Response bodies of the API. Optional fields without a value are left out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from agents.core.cards import explain
from agents.core.completion import BUDGET_KINDS, BudgetKind
from agents.core.events import Event, MessageReceived, UnknownEvent
from agents.core.messages import Explanation
from agents.core.people import People
from agents.core.policy import ApprovalTerms, EscalationStep, PolicyDecision
from agents.core.requests import Deciders, PostedCard, RecordedAnswer, Request, RequestStatus, UndeliverableCard
from agents.core.state import ThreadState, ThreadStatus
from agents.core.steps import AnswerFormat, Urgency
from agents.core.values import Address, FrozenModel
from bot.api.policy_text import describe_policy

MAX_TITLE_LENGTH = 80

_COMMON_EVENT_FIELDS = {"type", "at", "actor"}


def _optional_field() -> Any:
    return Field(default=None, exclude_if=lambda value: value is None)


class BudgetUsage(FrozenModel):
    """One kind of a thread's budget. `limit` is null when the kind is unlimited."""

    limit: float | None
    spent: float


class ThreadView(FrozenModel):
    """A thread after `version` events. `open_requests` lists ids. `paused` is the reason while it is paused.

    `title` is the beginning of its first message. `names` has the names of its requesters by address.
    """

    id: str
    title: str
    agent: str
    status: ThreadStatus
    version: int
    origin: Address
    requester: Address
    names: dict[str, str] = {}
    open_requests: tuple[str, ...]
    created_at: AwareDatetime
    updated_at: AwareDatetime
    paused: str | None = _optional_field()
    budget: dict[BudgetKind, BudgetUsage]
    labels: dict[str, str]


class ThreadPage(FrozenModel):
    """A page of threads, newest first."""

    threads: tuple[ThreadView, ...]
    next_cursor: str | None


class EventView(FrozenModel):
    """One event of a thread's log. `data` has the fields of its type, `names` the names of its people by address."""

    seq: int
    type: str
    at: AwareDatetime
    actor: Address
    data: dict[str, Any]
    names: dict[str, str] | None = _optional_field()


class EventPage(FrozenModel):
    """Events of a thread's log in order."""

    events: tuple[EventView, ...]


class ReplayView(FrozenModel):
    """Result of rebuilding a thread from its `events` events. `matches` is whether it equals the stored state.

    `unreadable` names what this version cannot read in a thread that a newer version wrote.
    """

    id: str
    version: int
    status: ThreadStatus
    events: int
    matches: bool
    unreadable: str | None = _optional_field()


class EscalationStepView(EscalationStep):
    """People who are asked additionally, and when."""

    via: str | None = _optional_field()


class ApprovalTermsView(ApprovalTerms):
    """Terms for a decision. Times are in seconds."""

    editor_may_approve: bool = True
    expires: int
    escalate: tuple[EscalationStepView, ...] = ()


class PolicyView(FrozenModel):
    """The rule that requires this request: its name, its terms in words, and its terms as data."""

    rule: str
    words: str
    ask: ApprovalTermsView


class AnswerView(RecordedAnswer):
    """An answer of a person. `reason` says why an answer did not count.

    `entered_by` is the authenticated address when it differs from `by`. `is_proposal` marks an edit that does not
    approve.
    """

    entered_by: Address | None = _optional_field()
    comment: str | None = _optional_field()
    text: str | None = _optional_field()
    reason: str | None = _optional_field()


class CardView(FrozenModel):
    """One copy of the request on a channel.

    `reason` says why a copy could not be delivered. `settled_at` is the time at which the copy was
    updated to show the end of the request.
    """

    address: Address
    state: RequestStatus | Literal["undeliverable"]
    reason: str | None = _optional_field()
    shown_at: AwareDatetime | None = _optional_field()
    settled_at: AwareDatetime | None = _optional_field()


class RequestView(FrozenModel):
    """A request to people. `expires_at` is null when the request has expired and stays open.

    `requesters` are all people whose messages led to it. `reasoning` is the agent's text and not part of what is
    approved. `filled_in` names arguments that the tool's preparation set; an edit may omit them. `explanation` says
    why the request was opened and by whom, who may decide, how many have approved, and what happens without an answer.
    `answers` has only the last ten answers that did not count; `refused_count` is their number, at most 100. `note`
    tells you the effect of your answer when it did not decide the request.
    """

    id: str
    code: str
    kind: Literal["approval", "question"]
    thread_id: str
    agent: str
    requester: Address
    requesters: tuple[Address, ...]
    tool: str | None = _optional_field()
    arguments: dict[str, Any] | None = _optional_field()
    question: str | None = _optional_field()
    format: AnswerFormat | None = _optional_field()
    choices: tuple[str, ...] | None = _optional_field()
    urgency: Urgency
    reasoning: str = ""
    filled_in: tuple[str, ...] = ()
    deciders: tuple[Deciders, ...] = ()
    names: dict[str, str] = {}
    explanation: Explanation
    digest: str
    status: RequestStatus
    policy: PolicyView
    opened_at: AwareDatetime
    expires_at: AwareDatetime | None
    settled_at: AwareDatetime | None = _optional_field()
    answers: tuple[AnswerView, ...]
    refused_count: int | None = _optional_field()
    cards: tuple[CardView, ...]
    note: str | None = _optional_field()


class RequestPage(FrozenModel):
    """A page of requests, newest first."""

    requests: tuple[RequestView, ...]
    next_cursor: str | None


class ErrorBody(FrozenModel):
    """An error: `code` for programs, `message` for people."""

    code: str
    message: str
    details: Any = _optional_field()


class ErrorResponse(FrozenModel):
    """The body of every error response."""

    error: ErrorBody


def thread_view(state: ThreadState, people: People) -> ThreadView:
    """Return the API representation of a thread."""
    return ThreadView(
        id=state.thread_id,
        title=_title(state),
        agent=state.agent,
        status=state.status,
        version=state.version,
        origin=state.origin,
        requester=state.requester,
        names=people.names_of((state.requester, *state.requesters)),
        open_requests=tuple(request.id for request in state.requests if request.status == "open"),
        created_at=state.created_at,
        updated_at=state.updated_at,
        paused=_pause_reason(state),
        budget={kind: _budget_usage(state, kind) for kind in BUDGET_KINDS},
        labels=state.labels,
    )


def _pause_reason(state: ThreadState) -> str | None:
    if state.status != "paused":
        return None
    if state.unreadable is not None:
        return f"this Handrail cannot read it ({state.unreadable}); use the version that wrote it"
    return state.paused


def _title(state: ThreadState) -> str:
    """Return the beginning of the first message in the thread's kept history."""
    text = next((event.text for event in state.history if isinstance(event, MessageReceived)), "")
    line = " ".join(text[:MAX_TITLE_LENGTH].split())
    return f"{line}…" if len(text) > MAX_TITLE_LENGTH else line


def _budget_usage(state: ThreadState, kind: BudgetKind) -> BudgetUsage:
    return BudgetUsage(limit=getattr(state.budget, kind), spent=getattr(state.spent, kind) or 0.0)


def event_view(seq: int, event: Event, people: People) -> EventView:
    """Return the API representation of an event. An event that this version cannot read has its stored data."""
    if isinstance(event, UnknownEvent):
        data = event.data
    else:
        data = event.model_dump(mode="json", exclude=_COMMON_EVENT_FIELDS, exclude_none=True)
    names = people.names_of(_addresses_of(event)) or None
    return EventView(seq=seq, type=event.type, at=event.at, actor=event.actor, data=data, names=names)


def _addresses_of(event: Event) -> tuple[Address, ...]:
    """Return the addresses of an event: its actor, the person who entered it, and its recipients."""
    to = getattr(event, "to", None) or ()
    entered_by = getattr(getattr(event, "answer", event), "entered_by", None)
    return tuple(filter(None, (event.actor, entered_by, *(to if isinstance(to, tuple) else (to,)))))


def request_view(request: Request, *, note: str | None = None) -> RequestView:
    """Return the API representation of a request. `note` is shown to the person who answered."""
    is_question = request.kind == "question"
    return RequestView(
        **request.model_dump(include=_COPIED_FIELDS),
        requesters=request.all_requesters,
        format=request.format if is_question else None,
        choices=request.choices if is_question else None,
        explanation=explain(request),
        policy=_policy_view(request.policy, request.names),
        expires_at=_effective_expiry(request),
        answers=tuple(AnswerView(**answer.model_dump()) for answer in request.answers),
        cards=(*map(_card_view, request.cards), *map(_undeliverable_card_view, request.undeliverable_cards)),
        note=note,
    )


def _card_view(card: PostedCard) -> CardView:
    # An open request has a `settled_at` on its card too, when the card was updated after one of several approvals.
    excluded = {"receipt", "settled_at"} if card.state == "open" else {"receipt"}
    return CardView(**card.model_dump(exclude=excluded))


def _undeliverable_card_view(card: UndeliverableCard) -> CardView:
    return CardView(address=card.address, state="undeliverable", reason=card.reason)


_COMPUTED_FIELDS = {
    *("requesters", "explanation", "format", "choices", "policy", "expires_at"),
    *("answers", "cards", "note"),
}
_COPIED_FIELDS = set(RequestView.model_fields) - _COMPUTED_FIELDS


def _effective_expiry(request: Request) -> datetime | None:
    """Return when a request expires; None for an expired one that is kept open."""
    return None if request.is_kept_open else request.expires_at


def _policy_view(decision: PolicyDecision, names: Mapping[str, str]) -> PolicyView:
    terms = decision.ask or ApprovalTerms()
    return PolicyView(
        rule=decision.rule, words=describe_policy(decision, names), ask=ApprovalTermsView(**terms.model_dump())
    )
