"""Events that record the delivery of a message, and cards adapted to their only reader."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from agents.core.decisions import evaluate_answer
from agents.core.errors import HandrailError
from agents.core.events import MessageReceived, MessageSent, MessageUndeliverable, RequestShown
from agents.core.messages import Assurance, Card, Message, Receipt
from agents.core.next_step import SendMessage, pending_sends
from agents.core.people import People
from agents.core.reducer.messages import REROUTED_MARKER
from agents.core.requests import Answer, Request
from agents.core.state import ThreadState
from agents.core.values import Address
from channels.base import PullChannel


def sent_event(effect: SendMessage, receipt: Receipt, at: datetime) -> RequestShown | MessageSent:
    """Return the event of a delivery: RequestShown for the card of an open request, MessageSent for any other."""
    actor, card = Address(f"channel:{effect.to.scheme}"), effect.message.card
    if card is None or card.status != "open":
        return MessageSent(at=at, actor=actor, key=effect.key, to=effect.to, receipt=receipt)
    request_id = card.request_id
    return RequestShown(at=at, actor=actor, key=effect.key, request_id=request_id, to=effect.to, receipt=receipt)


def undeliverable_event(effect: SendMessage, reason: str, at: datetime) -> MessageUndeliverable:
    """Return the event of a message that no channel can deliver."""
    actor, card = Address(f"channel:{effect.to.scheme}"), effect.message.card
    request_id = card.request_id if card is not None and card.status == "open" else None
    return MessageUndeliverable(at=at, actor=actor, key=effect.key, to=effect.to, reason=reason, request_id=request_id)


def with_alternative_address(event: MessageUndeliverable, state: ThreadState, people: People) -> MessageUndeliverable:
    """Return the event with another address of the requester for an undeliverable reply; each is tried once."""
    pending = next((m for m in state.pending_messages if m.key == event.key), None)
    if pending is None or pending.message.card is not None:
        return event
    addresses = people.direct_addresses(state.requester, event.to.scheme)
    instead = next((a for a in addresses if a != event.to and f"{REROUTED_MARKER}{a}" not in event.key), None)
    return event.model_copy(update={"instead": instead})


def pull_channel_deliveries(
    state: ThreadState, pull_channels: Mapping[str, PullChannel], at: datetime
) -> Iterator[RequestShown | MessageSent]:
    """Yield the deliveries to pull channels: their readers follow the log, so a written message is delivered."""
    for effect in pending_sends(state):
        if (channel := pull_channels.get(effect.to.scheme)) is not None:
            yield sent_event(effect, channel.receipt_for(effect.message), at)


def is_open_approval(message: Message) -> bool:
    """Return whether the message is the card of an approval that is still open."""
    card = message.card
    return card is not None and (card.kind, card.status) == ("approval", "open")


def personalize_message(
    message: Message, state: ThreadState, to: Address, people: People, now: datetime, assurance: Assurance
) -> Message:
    """Return the message for the only person who reads at `to`; unchanged if that person is not known.

    `assurance` is that of an answer from there.
    """
    card, reader = message.card, _find_reader(state, to, people)
    request = state.get_request(card.request_id) if card else None
    if card is None or request is None or reader is None:
        return message
    if _may_approve(request, Answer(by=reader, channel=to, assurance=assurance, decision="approve"), people, now):
        return message
    return message.model_copy(update={"card": _without_approval(card)})


def _without_approval(card: Card) -> Card:
    return card.model_copy(update={"may_approve": False, "is_editable": False})


def _find_reader(state: ThreadState, to: Address, people: People) -> Address | None:
    """Return `to` if it is a person's own address, else the sender of a message from `to`; None if there is none."""
    if people.get(to) is not None:
        return to
    return next((e.actor for e in state.history if isinstance(e, MessageReceived) and e.source == to), None)


def _may_approve(request: Request, approval: Answer, people: People, now: datetime) -> bool:
    try:
        return evaluate_answer(request, approval, people=people, now=now).rejection_reason is None
    except HandrailError:  # the request is closed: its card is updated anyway
        return True
