"""What the log says once a message was taken, or never will be."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from agents.addresses import Address
from agents.effects import SendMessage
from agents.events import MessageSent, MessageUndeliverable, RequestShown
from agents.folding.talking import ELSEWHERE
from agents.messages import Receipt
from agents.next_step import messages
from agents.people import People
from agents.state import ThreadState
from channels.base import Reader


def delivered(effect: SendMessage, receipt: Receipt, at: datetime) -> RequestShown | MessageSent:
    """An open card that was taken is shown; anything else was sent."""
    actor, card = Address(f"channel:{effect.to.scheme}"), effect.message.card
    if card is None or card.status != "open":
        return MessageSent(at=at, actor=actor, key=effect.key, to=effect.to, receipt=receipt)
    request_id = card.request_id
    return RequestShown(at=at, actor=actor, key=effect.key, request_id=request_id, to=effect.to, receipt=receipt)


def undeliverable(effect: SendMessage, reason: str, at: datetime) -> MessageUndeliverable:
    """No channel will ever take it."""
    actor, card = Address(f"channel:{effect.to.scheme}"), effect.message.card
    request_id = card.request_id if card is not None and card.status == "open" else None
    return MessageUndeliverable(at=at, actor=actor, key=effect.key, to=effect.to, reason=reason, request_id=request_id)


def redirected(event: MessageUndeliverable, state: ThreadState, people: People) -> MessageUndeliverable:
    """With an address of the requester for a reply that its place does not take, each tried once."""
    lost = next((m for m in state.outgoing if m.key == event.key), None)
    if lost is None or lost.message.card is not None:
        return event
    own = people.own_addresses(state.requester, event.to.scheme)
    instead = next((a for a in own if a != event.to and f"{ELSEWHERE}{a}" not in event.key), None)
    return event.model_copy(update={"instead": instead})


def read_from_the_log(
    state: ThreadState, readers: Mapping[str, Reader], at: datetime
) -> Iterator[RequestShown | MessageSent]:
    """Messages to people who follow the log are there for them as soon as they are written."""
    for effect in messages(state):
        if (reader := readers.get(effect.to.scheme)) is not None:
            yield delivered(effect, reader.shown(effect.message), at)
