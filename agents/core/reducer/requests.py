"""Reduce events about requests: opening, delivery of cards, reminders, answers and expiry."""

from typing import Any, assert_never

from agents.core.events import (
    DeliveryConfirmed,
    RequestAnswered,
    RequestEscalated,
    RequestExpired,
    RequestOpened,
    RequestReminded,
    RequestShown,
    RequestSuperseded,
)
from agents.core.reducer.lifecycle import START_MODEL
from agents.core.reducer.request_updates import (
    add_deciders,
    card_message,
    card_revision,
    card_update,
    continue_in_started_conversation,
    merge_pending,
    settle_request,
    with_request,
)
from agents.core.requests import RETRY_CALL, PostedCard, Request
from agents.core.state import CurrentCall, PendingMessage, ThreadState

RequestEvent = (
    RequestOpened
    | RequestShown
    | DeliveryConfirmed
    | RequestReminded
    | RequestEscalated
    | RequestAnswered
    | RequestExpired
    | RequestSuperseded
)


def reduce_requests(state: ThreadState, event: RequestEvent) -> dict[str, Any]:
    """Return the fields of the state that the event changes, with their new values."""
    match event:
        case RequestOpened():
            return _reduce_opened(state, event.request)
        case RequestShown():
            return _reduce_shown(state, event)
        case _ if state.get_request(event.request_id) is None:
            return {}  # only in a log that was tampered with; the replay check reports that
        case DeliveryConfirmed():
            return _reduce_confirmed(state, event)
        case RequestReminded():
            return _reduce_reminded(state, event)
        case RequestEscalated():
            return _reduce_escalated(state, event)
        case RequestAnswered():
            return _reduce_answered(state, event)
        case RequestExpired():
            return _reduce_expired(state, event)
        case RequestSuperseded():
            return _reduce_superseded(state, event)
        case _:
            assert_never(event)


def _reduce_opened(state: ThreadState, request: Request) -> dict[str, Any]:
    pending = (*state.pending_messages, card_message(request, state.origin))
    deciders = add_deciders(state, request.terms)
    return {
        "requests": with_request(state, request),
        "deciders": deciders,
        "pending_messages": pending,
        "needs_model": False,
    }


def _reduce_shown(state: ThreadState, event: RequestShown) -> dict[str, Any]:
    request = state.get_request(event.request_id)
    if request is None:
        return {"pending_messages": tuple(m for m in state.pending_messages if m.key != event.key)}
    card = PostedCard(address=event.to, state="open", receipt=event.receipt, shown_at=event.at)
    undeliverable = tuple(one for one in request.undeliverable_cards if one.address != event.to)
    updated = request.model_copy(
        update={"cards": (*_other_cards(state, request, event), card), "undeliverable_cards": undeliverable}
    )
    updates = _catch_up_card(updated, card, event.key)
    obsolete = {event.key, *(m.key for m in updates)}
    pending = merge_pending(tuple(m for m in state.pending_messages if m.key not in obsolete), updates)
    return {
        "requests": with_request(state, updated),
        **continue_in_started_conversation(state, event.to, event.receipt, pending),
    }


def _catch_up_card(request: Request, card: PostedCard, key: str) -> tuple[PendingMessage, ...]:
    """Return the update for a card that was already out of date when it was delivered."""
    if request.status != "open":
        return (card_update(request, card),)
    if f":{card_revision(request)}:" not in key:  # the key names the revision that the card shows
        return (card_message(request, card.address, replaces=card.receipt),)
    return ()


def _other_cards(state: ThreadState, request: Request, event: RequestShown) -> tuple[PostedCard, ...]:
    """Return the other cards of the request, without the replaced one and without this one if it is recorded twice."""
    replaced = next((m.replaces for m in state.pending_messages if m.key == event.key), None)
    removed = {receipt.ref for receipt in (event.receipt, replaced) if receipt}
    return tuple(c for c in request.cards if c.address != event.to or c.receipt.ref not in removed)


def _reduce_confirmed(state: ThreadState, event: DeliveryConfirmed) -> dict[str, Any]:
    confirmed = (event.to, event.ref)
    cards = tuple(
        card.model_copy(update={"confirmed_at": event.at}) if (card.address, card.receipt.ref) == confirmed else card
        for card in next(r for r in state.requests if r.id == event.request_id).cards
    )
    return {"requests": with_request(state, _update_request(state, event.request_id, cards=cards))}


def _reduce_reminded(state: ThreadState, event: RequestReminded) -> dict[str, Any]:
    request = _update_request(state, event.request_id, reminded=event.nth)
    reminder = card_message(request, state.origin, key_suffix=f":reminder{event.nth}")
    return {"requests": with_request(state, request), "pending_messages": (*state.pending_messages, reminder)}


def _reduce_escalated(state: ThreadState, event: RequestEscalated) -> dict[str, Any]:
    request = _update_request(state, event.request_id, escalated=event.nth)
    cards = tuple(card_message(request, to, key_suffix=f":escalation{event.nth}") for to in event.to)
    return {"requests": with_request(state, request), "pending_messages": (*state.pending_messages, *cards)}


def _update_request(state: ThreadState, request_id: str, **fields: Any) -> Request:
    return next(r for r in state.requests if r.id == request_id).model_copy(update=fields)


def after_answer(request: Request, event: RequestAnswered) -> Request:
    """Return the request with the answer recorded and an edit applied. The caller sets the new status."""
    answered = request.with_answer(event.answer)
    if event.names:
        answered = answered.model_copy(update={"names": {**answered.names, **event.names}})
    return answered if event.digest is None else _apply_edit(answered, event)


def _reduce_answered(state: ThreadState, event: RequestAnswered) -> dict[str, Any]:
    request = after_answer(_update_request(state, event.request_id), event)
    deciders = {"deciders": add_deciders(state, request.terms)}
    if event.status == "open":
        return {**_keep_open(state, request, event), **deciders}
    settled = request.model_copy(update={"status": event.status})
    return {**settle_request(state, request, event.status, event.at), **_apply_decision(state, settled), **deciders}


def _apply_edit(request: Request, event: RequestAnswered) -> Request:
    """Return the request with the new arguments. Earlier approvals lapse, because they approved other arguments."""
    *earlier, last = request.answers
    lapse = {"counted": False, "reason": "the arguments were edited"}
    lapsed = (a.model_copy(update=lapse) if a.counted else a for a in earlier)
    changed: dict[str, Any] = {"arguments": event.arguments, "digest": event.digest, "policy": event.policy}
    if event.deciders is not None:
        changed["deciders"] = event.deciders
    return request.model_copy(update={**changed, "answers": (*lapsed, last)})


def _keep_open(state: ThreadState, request: Request, event: RequestAnswered) -> dict[str, Any]:
    """Return the changed fields for an edit or one of several approvals; all cards are updated."""
    if not event.answer.counted:
        return {"requests": with_request(state, request)}
    updates = tuple(card_message(request, card.address, replaces=card.receipt) for card in request.cards)
    changed = {
        "requests": with_request(state, request),
        "pending_messages": merge_pending(state.pending_messages, updates),
    }
    return changed if event.digest is None else {**changed, "current_call": _update_call_arguments(state, request)}


def _update_call_arguments(state: ThreadState, request: Request) -> CurrentCall | None:
    if state.current_call is None:
        return None
    return state.current_call.model_copy(update={"arguments": request.arguments, "digest": request.digest})


def _apply_decision(state: ThreadState, request: Request) -> dict[str, Any]:
    """Return the effect of a settled request on its thread."""
    match request.purpose:
        case "tool" if request.status == "approved" and state.current_call is not None:
            approved = {"approvals": request.approvals, "requesters": request.all_requesters}
            approved_fields = {"phase": "approved", "terms": request.terms, **approved}
            call = _update_call_arguments(state, request)
            return {"current_call": call.model_copy(update=approved_fields) if call else None}
        case "tool":
            return {"current_call": None, "needs_model": True}
        case "outcome":
            return _apply_reported_outcome(state, request)
        case "handover":
            return {**START_MODEL}
        case "question" | "budget":
            return {"needs_model": True}
        case _:
            assert_never(request.purpose)


def _apply_reported_outcome(state: ThreadState, request: Request) -> dict[str, Any]:
    reported = next((a.text for a in reversed(request.answers) if a.counted), None)
    if reported == RETRY_CALL and state.current_call is not None:
        return {
            "current_call": state.current_call.model_copy(
                update={"phase": "approved", "consecutive_delays": 0, "is_retry_ordered": True}
            )
        }
    return {"current_call": None, "needs_model": True}


def _reduce_expired(state: ThreadState, event: RequestExpired) -> dict[str, Any]:
    if event.on_expire == "hold":
        return {"requests": with_request(state, _update_request(state, event.request_id, is_kept_open=True))}
    request = _update_request(state, event.request_id)
    return {**settle_request(state, request, "expired", event.at), "current_call": None, "needs_model": True}


def _reduce_superseded(state: ThreadState, event: RequestSuperseded) -> dict[str, Any]:
    request = _update_request(state, event.request_id)
    return {**settle_request(state, request, "superseded", event.at), "current_call": None, "needs_model": True}
