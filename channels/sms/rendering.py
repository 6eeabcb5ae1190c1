"""Texts of requests as short messages: the code first, then as much of the request as fits into two segments.

A message that does not show the whole request offers no approval: it links to the page that shows it. Values are shown
as they are, also if one character of another alphabet makes the message longer.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from agents.core.cards import describe_requesters
from agents.core.messages import Assurance, Card
from agents.core.visible_text import escape_hidden_characters
from channels.sms.answer_handler import INCOMPLETE_DIGEST
from channels.sms.segments import fits, split_text, to_gsm

MAX_SEGMENTS = 2
MAX_PARTS = 10
"""Messages of one long reply; what does not fit is left out, and the last one says so."""

TIME_LEFT = re.compile(r"\b[0-9]+ (?:min|h|d)\.", re.ASCII)
"""Form of the time that is left for an answer, the part of a text that depends on when it is rendered."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_SHORTENED = "... (shortened)"
_MAX_REPLY_LENGTH = 3000


@dataclass(frozen=True)
class RenderedCard:
    """The text of a card, and the digest of the request if the text shows all of it."""

    text: str
    digest: str


def render_card_text(card: Card, now: datetime) -> RenderedCard:
    """Return the text of a card."""
    if card.status != "open":
        outcome = escape_hidden_characters(card.outcome or card.status)
        return RenderedCard(to_gsm(f"{card.code} is settled: {outcome}."), card.digest)
    if not card.is_truncated:
        for text in _complete_texts(card, now):
            if fits(text, MAX_SEGMENTS):
                return RenderedCard(text, card.digest)
    return RenderedCard(next(text for text in _partial_texts(card, now) if fits(text, MAX_SEGMENTS)), INCOMPLETE_DIGEST)


def render_reply(text: str) -> list[str]:
    """Return the messages of a reply or a notice."""
    plain = to_gsm(text.strip()) or "-"
    try:
        return split_text(plain, MAX_SEGMENTS, MAX_PARTS)
    except ValueError:
        return split_text(_shorten(plain), MAX_SEGMENTS, MAX_PARTS)


def _shorten(text: str) -> str:
    """Return the longest beginning that fits, with a remark at its end."""
    low, high = 1, min(len(text), _MAX_REPLY_LENGTH)
    while low < high:
        middle = (low + high + 1) // 2
        try:
            split_text(text[:middle].rstrip() + _SHORTENED, MAX_SEGMENTS, MAX_PARTS)
        except ValueError:
            high = middle - 1
        else:
            low = middle
    return text[:low].rstrip() + _SHORTENED


def _complete_texts(card: Card, now: datetime) -> Iterator[str]:
    """Yield texts that show the whole request, the most helpful first."""
    question = f"{card.code} {_content(card, _arguments(card))}"
    mark = "" if question.endswith(("?", ".")) else "?"
    ends = [_describe_answers(card), _remaining(card, now), card.link]
    yield _join([f"{question}{mark}", f"({describe_requesters(card)})", *ends])
    yield _join([f"{question}{mark}", *ends])


def _partial_texts(card: Card, now: datetime) -> Iterator[str]:
    """Yield texts with fewer and fewer of the arguments; the last one fits always."""
    where = f"Read it and answer at {card.link}" if card.link else f"Read it with: handrail requests show {card.code}"
    deny = f" or reply {card.code} NO" if card.kind == "approval" else ""
    ends = [f"Too long for SMS. {where}{deny}.", _remaining(card, now)]
    shown = _arguments(card)
    for count in range(len(shown), -1, -1):
        yield _join([f"{card.code} {_content(card, shown[:count])}...", *ends])
    yield _join([card.code, *ends])
    yield card.code if not card.link else f"{card.code} {card.link}"


def _arguments(card: Card) -> list[str]:
    return [f"{field.name}={field.value}" for field in card.fields]


def _content(card: Card, arguments: Iterable[str]) -> str:
    shown = ", ".join(arguments)
    return escape_hidden_characters(f"{card.title}: {shown}" if shown else card.title)


def _describe_answers(card: Card) -> str:
    """Return how to answer the whole request by SMS."""
    code = card.code
    if card.kind == "question":
        if not card.choices:
            return f"Reply {code} and your answer."
        numbered = ", ".join(f"{number} {choice}" for number, choice in enumerate(card.choices, 1))
        return f"Reply {code} and a number: {escape_hidden_characters(numbered)}."
    if not card.may_approve and card.min_assurance.rank > Assurance.LOW.rank:
        return f"Approve it in Slack or by mail, or reply {code} NO."
    if not card.may_approve:
        return f"You may deny it: reply {code} NO."
    return f"Reply {code} OK or {code} NO."


def _remaining(card: Card, now: datetime) -> str:
    """Return the time that is left for an answer, such as `30 min.`; empty without an end."""
    if card.expires_at is None:
        return ""
    seconds = max(0, int((card.expires_at - now).total_seconds()))
    if seconds < 2 * _HOUR:
        return f"{max(1, round(seconds / _MINUTE))} min."
    return f"{seconds // _HOUR} h." if seconds < 2 * _DAY else f"{seconds // _DAY} d."


def _join(parts: Iterable[str]) -> str:
    return " ".join(filter(None, parts))
