"""Changes of requests that several reducers share: their cards, and a thread's requesters and deciders (ADR 0017).

Requesters are the people whose messages may have led to a call; they may not approve it by default.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from agents.core.cards import render_card
from agents.core.events import KnownEvent, MessageEdited, MessageReceived, RequestAnswered, ThreadForked, ThreadStarted
from agents.core.messages import Receipt
from agents.core.policy import ApprovalTerms
from agents.core.requests import PostedCard, Request, RequestStatus
from agents.core.state import DecisionComment, PendingMessage, ThreadState
from agents.core.values import Address, person_address


def settle_request(state: ThreadState, request: Request, status: RequestStatus, at: datetime) -> dict[str, Any]:
    """Return the fields that change when a request ends: its status, and an update for each delivered card.

    A card that is still pending is updated after its delivery.
    """
    settled = request.model_copy(update={"status": status, "settled_at": at})
    updates = tuple(card_update(settled, card) for card in settled.cards)
    return {
        "requests": with_request(state, settled),
        "pending_messages": merge_pending(state.pending_messages, updates),
    }


def card_update(request: Request, card: PostedCard) -> PendingMessage:
    """Return the message that updates a delivered card to the current state of its request."""
    return PendingMessage(
        key=f"settle:{request.id}:{card.address}:{card.receipt.ref}",
        to=card.address,
        message=render_card(request),
        request_id=request.id,
        replaces=card.receipt,
    )


def card_message(
    request: Request, to: Address, *, key_suffix: str = "", replaces: Receipt | None = None
) -> PendingMessage:
    """Return the message with a new card, or with an update of the card in `replaces`.

    The key contains the revision of the request and `key_suffix`, so reminders and escalations are separate messages.
    """
    replaced = f":{replaces.ref}" if replaces else ""
    return PendingMessage(
        key=f"card:{request.id}:{card_revision(request)}{key_suffix}:{to}{replaced}",
        to=to,
        message=render_card(request),
        request_id=request.id,
        replaces=replaces,
    )


def card_revision(request: Request) -> str:
    """Return the revision of a request that a card shows; it changes with the arguments and with each approval."""
    approved = sum(answer.counted and answer.decision == "approve" for answer in request.answers)
    return request.digest[:8] + (f"+{approved}" if approved else "")


def merge_pending(pending: tuple[PendingMessage, ...], more: Iterable[PendingMessage]) -> tuple[PendingMessage, ...]:
    """Return the pending messages followed by `more`. A later update of a card replaces earlier ones."""
    more = tuple(more)
    replaced = {(m.to, m.replaces) for m in more if m.replaces is not None}
    return (*(m for m in pending if (m.to, m.replaces) not in replaced), *more)


def continue_in_started_conversation(
    state: ThreadState, to: Address, receipt: Receipt, pending: tuple[PendingMessage, ...]
) -> dict[str, Any]:
    """Return the pending messages and, if the delivered one started a conversation at the origin, the new origin.

    Messages pending for the old origin are moved to the new one under new keys, because they are different messages.
    """
    if receipt.started is None or to != state.origin:
        return {"pending_messages": pending}
    new_origin = receipt.started.address
    moved = (_redirect_message(m, new_origin) if m.to == to and m.replaces is None else m for m in pending)
    return {"origin": new_origin, "pending_messages": tuple(moved)}


def _redirect_message(message: PendingMessage, address: Address) -> PendingMessage:
    return message.model_copy(update={"to": address, "key": f"{message.key}>{address}"})


def with_request(state: ThreadState, request: Request) -> tuple[Request, ...]:
    """Return the requests of the state with this one replaced or added."""
    others = tuple(r for r in state.requests if r.id != request.id)
    return (*others, request)


def active_requests(state: ThreadState) -> tuple[Request, ...]:
    """Return the requests that are open or still have pending messages; the others remain in the requests table."""
    pending_ids = {m.request_id for m in state.pending_messages}
    return tuple(r for r in state.requests if r.status == "open" or r.id in pending_ids)


def reduce_requesters(state: ThreadState, event: KnownEvent) -> dict[str, Any]:
    """Return the changed fields. Each address is listed once, in the order of its first message."""
    requesters = dict.fromkeys((*state.requesters, *filter(None, _authors(state, event))))
    changed: dict[str, Any] = {"requesters": tuple(requesters)} if len(requesters) > len(state.requesters) else {}
    return changed | _reduce_decision_comments(state, event)


def _reduce_decision_comments(state: ThreadState, event: KnownEvent) -> dict[str, Any]:
    """Return the comments of decisions after the event. They influence the model until the next message."""
    if isinstance(event, MessageReceived) and state.decision_comments:
        return {"decision_comments": ()}
    if not isinstance(event, RequestAnswered) or event.answer.decision == "answer" or not event.has_text:
        return {}
    request = state.get_request(event.request_id)
    tool = request.tool if request else None
    commenters = filter(None, (event.answer.by, event.answer.entered_by))
    return {
        "decision_comments": tuple(
            dict.fromkeys((*state.decision_comments, *(DecisionComment(by=by, tool=tool) for by in commenters)))
        )
    }


def _authors(state: ThreadState, event: KnownEvent) -> tuple[Address | None, ...]:
    """Return the addresses whose text the event adds to the log; comments of decisions are handled separately."""
    match event:
        case ThreadStarted():
            return (event.requester, event.actor, event.entered_by)
        case MessageReceived():
            return (event.actor, event.entered_by, _parse_author(event.author))
        case MessageEdited() | ThreadForked():
            return (event.actor,)
        case RequestAnswered() if event.answer.decision == "answer" and not _is_outcome_report(state, event):
            return (event.answer.by, event.answer.entered_by)
        case _:
            return ()


def _parse_author(author: str | None) -> Address | None:
    """Return the author's address; None if the channel gave only a name."""
    try:
        return Address(author) if author else None
    except ValueError:
        return None


def _is_outcome_report(state: ThreadState, event: RequestAnswered) -> bool:
    """Return whether the answer only reports the outcome of a call by a given choice."""
    request = state.get_request(event.request_id)
    return request is not None and request.purpose == "outcome"


def add_deciders(state: ThreadState, terms: ApprovalTerms) -> tuple[str, ...]:
    """Return the deciders with those of these terms added, or the same tuple if there are no new ones."""
    named = dict.fromkeys(
        (*state.deciders, *(f"role:{role}" for role in terms.roles), *map(person_address, terms.people))
    )
    return tuple(named) if len(named) > len(state.deciders) else state.deciders
