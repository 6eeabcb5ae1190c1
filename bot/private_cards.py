"""Cards for a single reader: a card that only one person sees has no Approve button if that person may not approve.

A card in a shared conversation always has it.
"""

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
    """Return whether the message is the card of an approval that is still open."""
    card = message.card
    return card is not None and (card.kind, card.status) == ("approval", "open")


def personalize_message(message: Message, state: ThreadState, to: Address, people: People, now: datetime) -> Message:
    """Return the message for the only person who reads at `to`; unchanged if that person is not known."""
    card, reader = message.card, _find_reader(state, to, people)
    request = state.get_request(card.request_id) if card else None
    if card is None or request is None or reader is None or _may_approve(request, reader, to, people, now):
        return message
    return message.model_copy(update={"card": _without_approval(card)})


def _without_approval(card: Card) -> Card:
    return card.model_copy(update={"may_approve": False, "is_editable": False})


def _find_reader(state: ThreadState, to: Address, people: People) -> Address | None:
    """Return `to` if it is a person's own address, else the sender of a message from `to`; None if there is none."""
    if people.get(to) is not None:
        return to
    return next((e.actor for e in state.history if isinstance(e, MessageReceived) and e.source == to), None)


def _may_approve(request: Request, reader: Address, to: Address, people: People, now: datetime) -> bool:
    approval = Answer(by=reader, channel=to, assurance=Assurance.HIGH, decision="approve")
    try:
        return evaluate_answer(request, approval, people=people, now=now).rejection_reason is None
    except HandrailError:  # the request is closed: its card is updated anyway
        return True
