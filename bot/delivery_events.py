"""What the log says once a message was taken, or never will be."""

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
    """An open card that was taken is shown; anything else was sent."""
    actor, card = Address(f"channel:{effect.to.scheme}"), effect.message.card
    if card is None or card.status != "open":
        return MessageSent(at=at, actor=actor, key=effect.key, to=effect.to, receipt=receipt)
    request_id = card.request_id
    return RequestShown(at=at, actor=actor, key=effect.key, request_id=request_id, to=effect.to, receipt=receipt)


def undeliverable_event(effect: SendMessage, reason: str, at: datetime) -> MessageUndeliverable:
    """No channel will ever take it."""
    actor, card = Address(f"channel:{effect.to.scheme}"), effect.message.card
    request_id = card.request_id if card is not None and card.status == "open" else None
    return MessageUndeliverable(at=at, actor=actor, key=effect.key, to=effect.to, reason=reason, request_id=request_id)


def with_alternative_address(event: MessageUndeliverable, state: ThreadState, people: People) -> MessageUndeliverable:
    """With an address of the requester for a reply that its place does not take, each tried once."""
    lost = next((m for m in state.pending_messages if m.key == event.key), None)
    if lost is None or lost.message.card is not None:
        return event
    own = people.direct_addresses(state.requester, event.to.scheme)
    instead = next((a for a in own if a != event.to and f"{REROUTED_MARKER}{a}" not in event.key), None)
    return event.model_copy(update={"instead": instead})


def pull_channel_deliveries(
    state: ThreadState, pull_channels: Mapping[str, PullChannel], at: datetime
) -> Iterator[RequestShown | MessageSent]:
    """Messages to people who follow the log are there for them as soon as they are written."""
    for effect in pending_sends(state):
        if (reader := pull_channels.get(effect.to.scheme)) is not None:
            yield sent_event(effect, reader.receipt_for(effect.message), at)
