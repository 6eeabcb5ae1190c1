"""A card that one person alone reads offers them no approval they may not give. A shared card offers it to all."""

from datetime import datetime

from agents.addresses import Address
from agents.decisions import evaluate_answer
from agents.errors import HandrailError
from agents.events import MessageReceived
from agents.messages import Assurance, Card, Message
from agents.people import People
from agents.requests import Answer, Request
from agents.state import ThreadState


def is_open_approval(message: Message) -> bool:
    """Whether it is the card of an approval that is still open."""
    card = message.card
    return card is not None and (card.kind, card.status) == ("approval", "open")


def personalize_message(message: Message, state: ThreadState, to: Address, people: People, now: datetime) -> Message:
    """The message as the only person who reads at `to` sees it; unchanged where it is not known who that is."""
    card, reader = message.card, _find_reader(state, to, people)
    request = state.get_request(card.request_id) if card else None
    if card is None or request is None or reader is None or _may_approve(request, reader, to, people, now):
        return message
    return message.model_copy(update={"card": _without_approval(card)})


def _without_approval(card: Card) -> Card:
    return card.model_copy(update={"may_approve": False, "is_editable": False})


def _find_reader(state: ThreadState, to: Address, people: People) -> Address | None:
    """A person is met under their own address; in a conversation it is who spoke there."""
    if people.get(to) is not None:
        return to
    return next((e.actor for e in state.history if isinstance(e, MessageReceived) and e.source == to), None)


def _may_approve(request: Request, reader: Address, to: Address, people: People, now: datetime) -> bool:
    tried = Answer(by=reader, channel=to, assurance=Assurance.HIGH, decision="approve")
    try:
        return evaluate_answer(request, tried, people=people, now=now).rejection_reason is None
    except HandrailError:  # it is settled: its card is corrected anyway
        return True
