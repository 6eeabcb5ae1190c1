"""Requests and threads one below the other, two blocks for each; it is told when there are more than `MOST`."""

import re
from collections.abc import Iterator, Sequence

from agents.cards import asked_for_by, card_of
from agents.messages import Card
from agents.visible import visible
from channels.slack.blocks import Block, context, link, plain, section, when
from channels.slack.escaping import clipped
from channels.slack.overview import Conversation, Waiting

MOST = 12
"""Of each kind: both together stay below what all blocks may hold (see `channels/slack/cards.py`)."""

_LONGEST_TITLE = 200
_LONGEST_REMARK = 80
_CHANNEL = re.compile(r"[CG][A-Z0-9]{1,30}", re.ASCII)
_DOING = {"waiting_for_human": "waits for a person", "waiting_for_time": "waits for its time"}


def requests(waiting: Sequence[Waiting]) -> Iterator[Block]:
    """What somebody is asked, by whom, how long, and where its card is."""
    for row in waiting[:MOST]:
        card = card_of(row.request).card
        if card is not None:
            yield section(_title(card), link("Open the card", row.link))
            yield context(_remarks(card, row))
    yield from _rest(waiting)
    if not waiting:
        yield section("Nothing waits for you.")


def conversations(rows: Sequence[Conversation]) -> Iterator[Block]:
    """What was asked, what is being done about it, and since when."""
    for row in rows[:MOST]:
        yield section(clipped(visible(row.asked), _LONGEST_TITLE), link("Open the thread", row.link))
        doing = _DOING.get(row.status, row.status)
        yield context([_remark(row.agent), plain(doing), when("last change ", row.updated_at)])
    yield from _rest(rows)
    if not rows:
        yield section("You have asked for nothing yet. Mention me in a channel, or write to me.")


def _rest(rows: Sequence[object]) -> Iterator[Block]:
    if len(rows) > MOST:
        yield context([plain("and more, which are not shown here")])


def _title(card: Card) -> str:
    """What is asked on one line; the card has it at length."""
    facts = ", ".join(f"{visible(field.name)}: {field.value}" for field in card.fields)
    return clipped(visible(card.title) + (f" ({facts})" if facts else ""), _LONGEST_TITLE)


def _remarks(card: Card, row: Waiting) -> Iterator[Block]:
    yield plain(f"code {card.code}")
    yield _remark(asked_for_by(card))
    yield plain("stays open") if card.expires_at is None else when("open until ", card.expires_at)
    if link("", row.link) is None:
        yield _whereabouts(row.channel)


def _whereabouts(channel: str | None) -> Block:
    """Where to look for a card nobody has a link to."""
    if channel is not None and _CHANNEL.fullmatch(channel):
        return {"type": "mrkdwn", "text": f"look in the thread, in <#{channel}>", "verbatim": True}
    return plain("look in the thread" if channel is None else "look in your messages with me")


def _remark(text: str) -> Block:
    return plain(clipped(visible(text), _LONGEST_REMARK))
