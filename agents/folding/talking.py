"""People say something, the thread answers, channels take what is sent."""

from typing import Any, assert_never

from agents.addresses import Address
from agents.events import (
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    MessageSent,
    MessageUndeliverable,
    NoticeGiven,
    ReplyChosen,
    Spoken,
)
from agents.folding.fresh import FRESH_START
from agents.folding.settling import begun, replaced
from agents.messages import Message
from agents.requests import LostCard, Request
from agents.state import Outgoing, ThreadState

ELSEWHERE = ">>"
"""Stands in the key of a message between the name it had and the address it goes to instead."""

TalkingEvent = Spoken | ReplyChosen | NoticeGiven | MessageSent | MessageUndeliverable


def fold_talking(state: ThreadState, event: TalkingEvent) -> dict[str, Any]:
    """The changed fields."""
    match event:
        case MessageReceived():
            return _received(state)
        case MessageEdited() | MessageDeleted():
            return {}
        case ReplyChosen():
            return {"outgoing": (*state.outgoing, _reply(state, event))}
        case NoticeGiven():
            return {"outgoing": (*state.outgoing, _notice(state, event)), "last_notice": event}
        case MessageSent():
            return _sent(state, event)
        case MessageUndeliverable():
            return _undeliverable(state, event)
        case _:
            assert_never(event)


def _reply(state: ThreadState, event: ReplyChosen) -> Outgoing:
    """It takes the place of its draft."""
    message = Message(text=event.text)
    return Outgoing(key=f"reply:{state.version + 1}", to=state.origin, message=message, replacing=event.draft)


def _notice(state: ThreadState, event: NoticeGiven) -> Outgoing:
    return Outgoing(key=f"notice:{state.version + 1}", to=event.to or state.origin, message=Message(text=event.text))


def _received(state: ThreadState) -> dict[str, Any]:
    """A message re-opens a thread that rests and ends an await; while a person is asked it is only heard."""
    heard = {"fires_at": None, "life": "open"}
    return heard if state.request or state.call else {**heard, **FRESH_START}


def _sent(state: ThreadState, event: MessageSent) -> dict[str, Any]:
    """What was sent about a request is a correction: the card it took the place of shows how the request ended."""
    done = next((m for m in state.outgoing if m.key == event.key), None)
    rest = begun(state, event.to, event.receipt, _without(state, event.key))
    request = state.request_named(done.request_id) if done and done.request_id else None
    if done is None or request is None:
        return rest
    corrected = {"state": request.status, "settled_at": event.at}
    here = (done.to, done.replacing)
    cards = tuple(c.model_copy(update=corrected) if (c.address, c.receipt) == here else c for c in request.cards)
    return {**rest, "requests": replaced(state, request.model_copy(update={"cards": cards}))}


def _undeliverable(state: ThreadState, event: MessageUndeliverable) -> dict[str, Any]:
    """A request that nobody has seen remembers why; a reply goes to the address that is named in its place."""
    lost = next((m for m in state.outgoing if m.key == event.key), None)
    outgoing = _without(state, event.key)
    request = state.request_named(lost.request_id) if lost and lost.request_id else None
    if request is not None and (event.request_id is not None or not request.cards):
        changed = _without_card(request, event)
        return {"outgoing": outgoing, "requests": replaced(state, changed)}
    if lost is not None and event.instead is not None:
        return {"outgoing": (*outgoing, _elsewhere(lost, event.instead, event.reason))}
    return {"outgoing": outgoing}


def _without_card(request: Request, event: MessageUndeliverable) -> Request:
    """Return the request with a card that no channel takes, one for each address."""
    changed: dict[str, Any] = {} if request.cards else {"unshown": event.reason}
    if event.request_id is not None:
        others = (card for card in request.lost_cards if card.address != event.to)
        changed["lost_cards"] = (*others, LostCard(address=event.to, reason=event.reason, at=event.at))
    return request.model_copy(update=changed)


def _elsewhere(lost: Outgoing, instead: Address, reason: str) -> Outgoing:
    told = "" if ELSEWHERE in lost.key else f"This could not be shown where you asked ({reason}):\n\n"
    message = Message(text=told + lost.message.text)
    return Outgoing(key=f"{lost.key}{ELSEWHERE}{instead}", to=instead, message=message)


def _without(state: ThreadState, key: str) -> tuple[Outgoing, ...]:
    return tuple(m for m in state.outgoing if m.key != key)
