"""Settling a request: its status, and a correction for every card that still shows it open (DESIGN §3.3)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from agents.addresses import Address
from agents.cards import render_card
from agents.messages import Receipt
from agents.requests import PostedCard, Request, RequestStatus
from agents.state import PendingMessage, ThreadState


def settle_request(state: ThreadState, request: Request, status: RequestStatus, at: datetime) -> dict[str, Any]:
    """The fields that change when the request ends. A card still on its way is corrected once it is shown."""
    settled = request.model_copy(update={"status": status, "settled_at": at})
    corrections = tuple(card_update(settled, card) for card in settled.cards)
    return {
        "requests": with_request(state, settled),
        "pending_messages": merge_pending(state.pending_messages, corrections),
    }


def card_update(request: Request, card: PostedCard) -> PendingMessage:
    """What turns a card that is shown into what the request is now."""
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
    """A card to be shown: anew for every revision and every `nth` time it is asked, or in the place of one that is."""
    place = f":{replaces.ref}" if replaces else ""
    return PendingMessage(
        key=f"card:{request.id}:{card_revision(request)}{key_suffix}:{to}{place}",
        to=to,
        message=render_card(request),
        request_id=request.id,
        replaces=replaces,
    )


def card_revision(request: Request) -> str:
    """Return what names the request as a card shows it: other arguments or one more approval make another one."""
    approved = sum(given.counted and given.decision == "approve" for given in request.answers)
    return request.digest[:8] + (f"+{approved}" if approved else "")


def merge_pending(pending: tuple[PendingMessage, ...], more: Iterable[PendingMessage]) -> tuple[PendingMessage, ...]:
    """More messages behind those that wait; of several that take the place of the same card the last is enough."""
    more = tuple(more)
    places = {(m.to, m.replaces) for m in more if m.replaces is not None}
    return (*(m for m in pending if (m.to, m.replaces) not in places), *more)


def redirect_replies(
    state: ThreadState, to: Address, receipt: Receipt, pending: tuple[PendingMessage, ...]
) -> dict[str, Any]:
    """The outgoing messages, and where replies go from now on if this one began a conversation at the origin.

    Those that wait for the origin follow there, under names of their own: they are other messages than before.
    """
    if receipt.started is None or to != state.origin:
        return {"pending_messages": pending}
    there = receipt.started.address
    moved = (_redirect_message(m, there) if m.to == to and m.replaces is None else m for m in pending)
    return {"origin": there, "pending_messages": tuple(moved)}


def _redirect_message(message: PendingMessage, address: Address) -> PendingMessage:
    return message.model_copy(update={"to": address, "key": f"{message.key}>{address}"})


def with_request(state: ThreadState, request: Request) -> tuple[Request, ...]:
    """The state's requests with this one renewed, or added."""
    others = tuple(r for r in state.requests if r.id != request.id)
    return (*others, request)


def active_requests(state: ThreadState) -> tuple[Request, ...]:
    """Without those that are settled wherever they are shown: their own rows keep them."""
    on_their_way = {m.request_id for m in state.pending_messages}
    return tuple(r for r in state.requests if r.status == "open" or r.id in on_their_way)
