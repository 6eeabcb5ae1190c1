"""Rendering of several approval cards as one mail, with a line and the code of each."""

from collections.abc import Sequence

from agents.core.cards import content_lines
from agents.core.messages import Card
from channels.email.rendering import RenderedMail, link_lines, may_approve_by_mail, render_sections
from channels.text import truncate

MAX_ARGUMENTS_LENGTH = 200
"""Limit in characters for the arguments of a card; one with longer arguments cannot be approved from the digest."""
MAX_TITLE_LENGTH = 200

_INTRODUCTION = (
    "Reply with one line above the quoted text for each request that you decide. Requests without a line stay open."
)


def render_digest(cards: Sequence[Card]) -> RenderedMail:
    """Return one mail for several open cards."""
    sections = [[_INTRODUCTION], *map(_card_lines, cards)]
    return render_sections(f"{len(cards)} requests wait for your answer", sections, [c.link for c in cards if c.link])


def shows_all_arguments(card: Card) -> bool:
    """Return whether the line of the card has all of it, so that it may be approved from the digest."""
    return len(_arguments(card)) <= MAX_ARGUMENTS_LENGTH and len(card.title) <= MAX_TITLE_LENGTH


def _arguments(card: Card) -> str:
    return "; ".join(content_lines(card)[1:])


def _card_lines(card: Card) -> list[str]:
    title = truncate(content_lines(card)[0], MAX_TITLE_LENGTH)
    arguments = [_arguments(card)] if card.fields and shows_all_arguments(card) else []
    requester = [f"asked for by {card.explanation.asked_by}"] if card.explanation.asked_by else []
    return [f"{card.code}: {title}", *arguments, *requester, _describe_answers(card), *link_lines(card)]


def _describe_answers(card: Card) -> str:
    """Return how to answer the card from this mail. Each example begins with a quotation mark: it is no verdict."""
    if card.kind == "question":
        choices = "; ".join(f"{number}. {choice}" for number, choice in enumerate(card.choices, 1))
        return f"“ANSWER {card.code} {'1' if choices else 'your text'}” to answer" + (f": {choices}" if choices else "")
    deny = f"“DENY {card.code}” to deny"
    if not may_approve_by_mail(card):
        return deny
    if not shows_all_arguments(card):
        place = "on its page" if card.link else f"with `handrail requests show {card.code}`"
        return f"{deny}; it is too long for this mail, so read and approve it {place}"
    return f"“APPROVE {card.code}” to approve, {deny}"
