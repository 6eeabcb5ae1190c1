"""Requests open, are shown, and end exactly once."""

from typing import Any, assert_never

from agents.events import (
    RequestAnswered,
    RequestEscalated,
    RequestExpired,
    RequestOpened,
    RequestReminded,
    RequestShown,
    RequestSuperseded,
)
from agents.folding.deciders import with_deciders
from agents.folding.fresh import FRESH_START
from agents.folding.settling import asking, begun, correction, joined, replaced, revision, settle
from agents.requests import RUN_AGAIN, Request, ShownCard
from agents.state import OpenCall, Outgoing, ThreadState

AskingEvent = (
    RequestOpened
    | RequestShown
    | RequestReminded
    | RequestEscalated
    | RequestAnswered
    | RequestExpired
    | RequestSuperseded
)


def fold_asking(state: ThreadState, event: AskingEvent) -> dict[str, Any]:
    """The changed fields."""
    match event:
        case RequestOpened():
            return _opened(state, event.request)
        case RequestShown():
            return _shown(state, event)
        case _ if state.request_named(event.request_id) is None:
            return {}  # of a log that was tampered with: a replay tells that it is not what is kept
        case RequestReminded():
            return _reminded(state, event)
        case RequestEscalated():
            return _escalated(state, event)
        case RequestAnswered():
            return _answered(state, event)
        case RequestExpired():
            return _expired(state, event)
        case RequestSuperseded():
            return _superseded(state, event)
        case _:
            assert_never(event)


def _opened(state: ThreadState, request: Request) -> dict[str, Any]:
    outgoing = (*state.outgoing, asking(request, state.origin))
    deciders = with_deciders(state, request.ask)
    return {"requests": replaced(state, request), "deciders": deciders, "outgoing": outgoing, "models_turn": False}


def _shown(state: ThreadState, event: RequestShown) -> dict[str, Any]:
    request = state.request_named(event.request_id)
    if request is None:
        return {"outgoing": tuple(m for m in state.outgoing if m.key != event.key)}
    card = ShownCard(address=event.to, state="open", receipt=event.receipt, shown_at=event.at)
    lost = tuple(one for one in request.lost_cards if one.address != event.to)
    renewed = request.model_copy(update={"cards": (*_beside(state, request, event), card), "lost_cards": lost})
    more = _put_right(renewed, card, event.key)
    over = {event.key, *(m.key for m in more)}
    outgoing = joined(tuple(m for m in state.outgoing if m.key not in over), more)
    return {"requests": replaced(state, renewed), **begun(state, event.to, event.receipt, outgoing)}


def _put_right(request: Request, card: ShownCard, key: str) -> tuple[Outgoing, ...]:
    """What must follow a card that was out of date when it was shown."""
    if request.status != "open":
        return (correction(request, card),)
    if f":{revision(request)}:" not in key:
        return (asking(request, card.address, replacing=card.receipt),)
    return ()


def _beside(state: ThreadState, request: Request, event: RequestShown) -> tuple[ShownCard, ...]:
    """The other cards of the request: all but the one whose place this took, and but itself when it is told twice."""
    before = next((m.replacing for m in state.outgoing if m.key == event.key), None)
    gone = {receipt.ref for receipt in (event.receipt, before) if receipt}
    return tuple(c for c in request.cards if c.address != event.to or c.receipt.ref not in gone)


def _reminded(state: ThreadState, event: RequestReminded) -> dict[str, Any]:
    request = _named(state, event.request_id, reminded=event.nth)
    again = asking(request, state.origin, nth=f":reminder{event.nth}")
    return {"requests": replaced(state, request), "outgoing": (*state.outgoing, again)}


def _escalated(state: ThreadState, event: RequestEscalated) -> dict[str, Any]:
    request = _named(state, event.request_id, escalated=event.nth)
    more = tuple(asking(request, to, nth=f":escalation{event.nth}") for to in event.to)
    return {"requests": replaced(state, request), "outgoing": (*state.outgoing, *more)}


def _named(state: ThreadState, request_id: str, **changed: Any) -> Request:
    return next(r for r in state.requests if r.id == request_id).model_copy(update=changed)


def after_answer(request: Request, event: RequestAnswered) -> Request:
    """Return the request with the answer, and with what an edit changed; its status is for whoever settles it."""
    answered = request.with_answer(event.answer)
    if event.names:
        answered = answered.model_copy(update={"names": {**answered.names, **event.names}})
    return answered if event.digest is None else _edited(answered, event)


def _answered(state: ThreadState, event: RequestAnswered) -> dict[str, Any]:
    request = after_answer(_named(state, event.request_id), event)
    deciders = {"deciders": with_deciders(state, request.ask)}
    if event.status == "open":
        return {**_still_open(state, request, event), **deciders}
    settled = request.model_copy(update={"status": event.status})
    return {**settle(state, request, event.status, event.at), **_consequence(state, settled), **deciders}


def _edited(request: Request, event: RequestAnswered) -> Request:
    """New arguments: what was approved before was something else, so those approvals lapse."""
    *earlier, last = request.answers
    lapse = {"counted": False, "reason": "the arguments were edited"}
    lapsed = (a.model_copy(update=lapse) if a.counted else a for a in earlier)
    changed: dict[str, Any] = {"arguments": event.arguments, "digest": event.digest, "policy": event.policy}
    if event.deciders is not None:
        changed["deciders"] = event.deciders
    return request.model_copy(update={**changed, "answers": (*lapsed, last)})


def _still_open(state: ThreadState, request: Request, event: RequestAnswered) -> dict[str, Any]:
    """An edit, or one approval of several: every card shows it."""
    if not event.answer.counted:
        return {"requests": replaced(state, request)}
    renewed = tuple(asking(request, card.address, replacing=card.receipt) for card in request.cards)
    changed = {"requests": replaced(state, request), "outgoing": joined(state.outgoing, renewed)}
    return changed if event.digest is None else {**changed, "call": _rewritten(state, request)}


def _rewritten(state: ThreadState, request: Request) -> OpenCall | None:
    if state.call is None:
        return None
    return state.call.model_copy(update={"arguments": request.arguments, "digest": request.digest})


def _consequence(state: ThreadState, request: Request) -> dict[str, Any]:
    """What a settled request means for the thread."""
    match request.purpose:
        case "tool" if request.status == "approved" and state.call is not None:
            approved = {"approvals": request.approvals, "requesters": request.asked_by}
            ready = {"phase": "ready", "ask": request.ask, **approved}
            call = _rewritten(state, request)
            return {"call": call.model_copy(update=ready) if call else None}
        case "tool":
            return {"call": None, "models_turn": True}
        case "outcome":
            return _outcome_told(state, request)
        case "handover":
            return {**FRESH_START}
        case "question" | "budget":
            return {"models_turn": True}
        case _:
            assert_never(request.purpose)


def _outcome_told(state: ThreadState, request: Request) -> dict[str, Any]:
    told = next((a.text for a in reversed(request.answers) if a.counted), None)
    if told == RUN_AGAIN and state.call is not None:
        return {"call": state.call.model_copy(update={"phase": "ready", "delays": 0, "insisted": True})}
    return {"call": None, "models_turn": True}


def _expired(state: ThreadState, event: RequestExpired) -> dict[str, Any]:
    if event.on_expire == "hold":
        return {"requests": replaced(state, _named(state, event.request_id, held=True))}
    request = _named(state, event.request_id)
    return {**settle(state, request, "expired", event.at), "call": None, "models_turn": True}


def _superseded(state: ThreadState, event: RequestSuperseded) -> dict[str, Any]:
    request = _named(state, event.request_id)
    return {**settle(state, request, "superseded", event.at), "call": None, "models_turn": True}
