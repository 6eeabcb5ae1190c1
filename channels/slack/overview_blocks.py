"""Blocks that list requests and threads, two per row; at most MAX_ROWS rows and a note if there are more."""

import re
from collections.abc import Iterator, Sequence

from agents.cards import describe_requesters, render_card
from agents.messages import Card
from agents.visible_text import escape_hidden_characters
from channels.slack.blocks import Block, context, link_button, plain_text, section, timestamp
from channels.slack.escaping import truncate
from channels.slack.overview import PendingRequest, ThreadSummary

MAX_ROWS = 12
"""Rows of each kind; both lists together stay below the limit of all blocks (see `channels/slack/cards.py`)."""

_MAX_TITLE_LENGTH = 200
_MAX_CONTEXT_LENGTH = 80
_CHANNEL = re.compile(r"[CG][A-Z0-9]{1,30}", re.ASCII)
_STATUS_TEXTS = {"waiting_for_human": "waiting for a person", "waiting_for_time": "waiting until a set time"}


def request_blocks(rows: Sequence[PendingRequest]) -> Iterator[Block]:
    """Yield for each request its question, requesters and deadline, and a link to its card."""
    for row in rows[:MAX_ROWS]:
        card = render_card(row.request).card
        if card is not None:
            yield section(_request_title(card), link_button("Open the card", row.permalink))
            yield context(_request_context(card, row))
    yield from _more_rows_block(rows)
    if not rows:
        yield section("No requests are waiting for you.")


def thread_blocks(rows: Sequence[ThreadSummary]) -> Iterator[Block]:
    """Yield for each thread its first message, agent, status and last change, and a link."""
    for row in rows[:MAX_ROWS]:
        yield section(
            truncate(escape_hidden_characters(row.title), _MAX_TITLE_LENGTH),
            link_button("Open the thread", row.permalink),
        )
        status = _STATUS_TEXTS.get(row.status, row.status)
        yield context([_context_text(row.agent), plain_text(status), timestamp("last change ", row.updated_at)])
    yield from _more_rows_block(rows)
    if not rows:
        yield section("You have no threads. Mention me in a channel, or send me a direct message.")


def _more_rows_block(rows: Sequence[object]) -> Iterator[Block]:
    if len(rows) > MAX_ROWS:
        yield context([plain_text(f"There are more; only {MAX_ROWS} are shown here.")])


def _request_title(card: Card) -> str:
    """Return the request on one line."""
    fields = ", ".join(f"{escape_hidden_characters(field.name)}: {field.value}" for field in card.fields)
    return truncate(escape_hidden_characters(card.title) + (f" ({fields})" if fields else ""), _MAX_TITLE_LENGTH)


def _request_context(card: Card, row: PendingRequest) -> Iterator[Block]:
    yield plain_text(f"code {card.code}")
    yield _context_text(describe_requesters(card))
    yield plain_text("stays open") if card.expires_at is None else timestamp("open until ", card.expires_at)
    if link_button("", row.permalink) is None:
        yield _card_location(row.channel)


def _card_location(channel: str | None) -> Block:
    """Return where to find a card whose permalink is not known."""
    if channel is not None and _CHANNEL.fullmatch(channel):
        return {"type": "mrkdwn", "text": f"see the thread in <#{channel}>", "verbatim": True}
    return plain_text("see the thread" if channel is None else "see your direct messages with me")


def _context_text(text: str) -> Block:
    return plain_text(truncate(escape_hidden_characters(text), _MAX_CONTEXT_LENGTH))
