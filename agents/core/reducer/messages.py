"""Reduce events about incoming messages, replies, notices and deliveries."""

from typing import Any, assert_never

from agents.core.events import (
    MessageDeleted,
    MessageEdited,
    MessageEvent,
    MessageReceived,
    MessageSent,
    MessageUndeliverable,
    NoticeGiven,
    ReplyChosen,
)
from agents.core.messages import Message, Receipt
from agents.core.reducer.lifecycle import START_MODEL
from agents.core.reducer.request_updates import continue_in_started_conversation, with_request
from agents.core.requests import Request, UndeliverableCard
from agents.core.state import PendingMessage, ThreadState
from agents.core.values import Address

REROUTED_MARKER = ">>"
"""Separator in the key of a rerouted message, between its original key and the new address."""

MessagingEvent = MessageEvent | ReplyChosen | NoticeGiven | MessageSent | MessageUndeliverable


def reduce_messages(state: ThreadState, event: MessagingEvent) -> dict[str, Any]:
    """Return the fields of the state that the event changes, with their new values."""
    match event:
        case MessageReceived():
            return _reduce_received(state, event)
        case MessageEdited() | MessageDeleted():
            return {}
        case ReplyChosen():
            return {"pending_messages": (*state.pending_messages, _reply_message(state, event))}
        case NoticeGiven():
            return {"pending_messages": (*state.pending_messages, _notice_message(state, event)), "last_notice": event}
        case MessageSent():
            return _reduce_sent(state, event)
        case MessageUndeliverable():
            return _reduce_undeliverable(state, event)
        case _:
            assert_never(event)


def _reply_message(state: ThreadState, event: ReplyChosen) -> PendingMessage:
    """Return the reply as a pending message.

    It replaces the partial reply that was shown while the model wrote it (`draft`).
    """
    message = Message(text=event.text)
    return PendingMessage(key=f"reply:{state.version + 1}", to=state.origin, message=message, replaces=event.draft)


def _notice_message(state: ThreadState, event: NoticeGiven) -> PendingMessage:
    return PendingMessage(
        key=f"notice:{state.version + 1}", to=event.to or state.origin, message=Message(text=event.text)
    )


_FIRST_MESSAGE_VERSION = 1
"""Version of the state before the first message, which follows ThreadStarted."""


def _reduce_received(state: ThreadState, event: MessageReceived) -> dict[str, Any]:
    """Return the changed fields.

    A message re-opens a finished thread and ends a wait. During a request or a call it does not start the model.
    """
    reopened = {"timer_at": None, "lifecycle": "open"}
    if state.version == _FIRST_MESSAGE_VERSION and event.title is not None:
        reopened["title"] = event.title
    return reopened if state.open_request or state.current_call else {**reopened, **START_MODEL}


def _reduce_sent(state: ThreadState, event: MessageSent) -> dict[str, Any]:
    """Return the changed fields.

    A message that started a conversation at the origin moves the origin there. A sent message of a request was a card
    update, so that card gets the request's status and, in `settled_at`, the time of the update.
    """
    sent = next((m for m in state.pending_messages if m.key == event.key), None)
    changed = continue_in_started_conversation(state, event.to, event.receipt, _remove_pending(state, event.key))
    request = state.get_request(sent.request_id) if sent and sent.request_id else None
    if sent is None or request is None:
        return changed
    updated = {"state": request.status, "settled_at": event.at}
    replaced = (sent.to, sent.replaces)
    cards = tuple(c.model_copy(update=updated) if (c.address, c.receipt) == replaced else c for c in request.cards)
    return {**changed, "requests": with_request(state, request.model_copy(update={"cards": cards}))}


def _reduce_undeliverable(state: ThreadState, event: MessageUndeliverable) -> dict[str, Any]:
    """Return the changed fields. A request without a card records the reason; a reply is rerouted to `instead`."""
    if event.receipt is not None:
        return _drop_card(state, event, event.receipt)
    undelivered = next((m for m in state.pending_messages if m.key == event.key), None)
    pending = _remove_pending(state, event.key)
    request = state.get_request(undelivered.request_id) if undelivered and undelivered.request_id else None
    if request is not None and (event.request_id is not None or not request.cards):
        changed = _record_undeliverable_card(request, event)
        return {"pending_messages": pending, "requests": with_request(state, changed)}
    if undelivered is not None and event.instead is not None:
        return {"pending_messages": (*pending, _reroute_message(undelivered, event.instead, event.reason))}
    return {"pending_messages": pending}


def _drop_card(state: ThreadState, event: MessageUndeliverable, receipt: Receipt) -> dict[str, Any]:
    """Return the changed fields after the failure of a message that was accepted before. Updates of it are dropped."""
    pending = tuple(
        m for m in state.pending_messages if m.replaces is None or (m.to, m.replaces.ref) != (event.to, receipt.ref)
    )
    request = state.get_request(event.request_id) if event.request_id is not None else None
    if request is None:
        return {"pending_messages": pending}
    cards = tuple(card for card in request.cards if (card.address, card.receipt.ref) != (event.to, receipt.ref))
    changed = _record_undeliverable_card(request.model_copy(update={"cards": cards}), event)
    return {"pending_messages": pending, "requests": with_request(state, changed)}


def _record_undeliverable_card(request: Request, event: MessageUndeliverable) -> Request:
    """Return the request with one more undeliverable card; at most one per address is kept."""
    changed: dict[str, Any] = {} if request.cards else {"unshown": event.reason}
    if event.request_id is not None:
        others = (card for card in request.undeliverable_cards if card.address != event.to)
        changed["undeliverable_cards"] = (
            *others,
            UndeliverableCard(address=event.to, reason=event.reason, at=event.at),
        )
    return request.model_copy(update=changed)


def _reroute_message(undelivered: PendingMessage, address: Address, reason: str) -> PendingMessage:
    prefix = "" if REROUTED_MARKER in undelivered.key else f"This could not be shown where you asked ({reason}):\n\n"
    message = Message(text=prefix + undelivered.message.text)
    return PendingMessage(key=f"{undelivered.key}{REROUTED_MARKER}{address}", to=address, message=message)


def _remove_pending(state: ThreadState, key: str) -> tuple[PendingMessage, ...]:
    return tuple(m for m in state.pending_messages if m.key != key)
