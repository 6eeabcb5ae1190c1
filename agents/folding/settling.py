"""Settling a request: its status, and a correction for every card that still shows it open (DESIGN §3.3)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from agents.addresses import Address
from agents.cards import card_of
from agents.messages import Receipt
from agents.requests import Request, RequestStatus, ShownCard
from agents.state import Outgoing, ThreadState


def settle(state: ThreadState, request: Request, status: RequestStatus, at: datetime) -> dict[str, Any]:
    """The fields that change when the request ends. A card still on its way is corrected once it is shown."""
    settled = request.model_copy(update={"status": status, "settled_at": at})
    corrections = tuple(correction(settled, card) for card in settled.cards)
    return {"requests": replaced(state, settled), "outgoing": joined(state.outgoing, corrections)}


def correction(request: Request, card: ShownCard) -> Outgoing:
    """What turns a card that is shown into what the request is now."""
    return Outgoing(
        key=f"settle:{request.id}:{card.address}:{card.receipt.ref}",
        to=card.address,
        message=card_of(request),
        request_id=request.id,
        replacing=card.receipt,
    )


def asking(request: Request, to: Address, *, nth: str = "", replacing: Receipt | None = None) -> Outgoing:
    """A card to be shown: anew for every revision and every `nth` time it is asked, or in the place of one that is."""
    place = f":{replacing.ref}" if replacing else ""
    return Outgoing(
        key=f"card:{request.id}:{revision(request)}{nth}:{to}{place}",
        to=to,
        message=card_of(request),
        request_id=request.id,
        replacing=replacing,
    )


def revision(request: Request) -> str:
    """Return what names the request as a card shows it: other arguments or one more approval make another one."""
    approved = sum(given.counted and given.decision == "approve" for given in request.answers)
    return request.digest[:8] + (f"+{approved}" if approved else "")


def joined(outgoing: tuple[Outgoing, ...], more: Iterable[Outgoing]) -> tuple[Outgoing, ...]:
    """More messages behind those that wait; of several that take the place of the same card the last is enough."""
    more = tuple(more)
    places = {(m.to, m.replacing) for m in more if m.replacing is not None}
    return (*(m for m in outgoing if (m.to, m.replacing) not in places), *more)


def begun(state: ThreadState, to: Address, receipt: Receipt, outgoing: tuple[Outgoing, ...]) -> dict[str, Any]:
    """The outgoing messages, and where replies go from now on if this one began a conversation at the origin.

    Those that wait for the origin follow there, under names of their own: they are other messages than before.
    """
    if receipt.begun is None or to != state.origin:
        return {"outgoing": outgoing}
    there = receipt.begun.address
    moved = (_moved(m, there) if m.to == to and m.replacing is None else m for m in outgoing)
    return {"origin": there, "outgoing": tuple(moved)}


def _moved(message: Outgoing, there: Address) -> Outgoing:
    return message.model_copy(update={"to": there, "key": f"{message.key}>{there}"})


def replaced(state: ThreadState, request: Request) -> tuple[Request, ...]:
    """The state's requests with this one renewed, or added."""
    others = tuple(r for r in state.requests if r.id != request.id)
    return (*others, request)


def still_of_interest(state: ThreadState) -> tuple[Request, ...]:
    """Without those that are settled wherever they are shown: their own rows keep them."""
    on_their_way = {m.request_id for m in state.outgoing}
    return tuple(r for r in state.requests if r.status == "open" or r.id in on_their_way)
