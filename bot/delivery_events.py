"""Events that record the delivery of a message, or that it is undeliverable."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from agents.addresses import Address
from agents.effects import SendMessage
from agents.events import MessageSent, MessageUndeliverable, RequestShown
from agents.messages import Receipt
from agents.next_step import pending_sends
from agents.people import People
from agents.reducers.messages import REROUTED_MARKER
from agents.state import ThreadState
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
