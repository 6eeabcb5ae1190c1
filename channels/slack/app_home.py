"""App Home tab: a user's identity, their requests and threads (docs.slack.dev/surfaces/app-home)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from agents.core.cards import describe_requesters, render_card
from agents.core.messages import Card
from agents.core.people import Person
from agents.core.requests import Request
from agents.core.state import ThreadStatus
from agents.core.values import Address
from agents.core.visible_text import escape_hidden_characters
from channels.slack.blocks import Block, context, header, link_button, plain_text, section, timestamp, truncate


@dataclass(frozen=True)
class PendingRequest:
    """Open request. `channel` is the id of the Slack channel with its card, `permalink` the card's URL, if known."""

    request: Request
    channel: str | None = None
    permalink: str | None = None


@dataclass(frozen=True)
class ThreadRow:
    """Row of a thread; `title` is its first message."""

    agent: str
    status: ThreadStatus
    title: str
    updated_at: datetime
    permalink: str | None = None


@dataclass(frozen=True)
class SlackOverview:
    """Overview for one user. `by` is their address, `slack:TEAM/USER`; `person` is None if they are not linked."""

    by: Address
    person: Person | None = None
    pending_requests: tuple[PendingRequest, ...] = ()
    threads: tuple[ThreadRow, ...] = ()


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


def thread_blocks(rows: Sequence[ThreadRow]) -> Iterator[Block]:
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


_MAX_LENGTH = 1000


def describe_user(overview: SlackOverview) -> str:
    """Return the user's name and roles, or how to link their Slack account in `handrail.toml`."""
    if overview.person is None:
        line = f'slack = "{escape_hidden_characters(overview.by.id)}"'
        return (
            "Your Slack account is not linked to a person. Ask an administrator to add this line to your entry under "
            f"people in handrail.toml: {line}"
        )
    roles = ", ".join(map(escape_hidden_characters, overview.person.roles))
    name, key = escape_hidden_characters(overview.person.name), escape_hidden_characters(overview.person.key)
    roles_text = f"with the roles {roles}" if roles else "without a role"
    return truncate(f"You are {name} ({key}), {roles_text}.", _MAX_LENGTH)


MAX_PROMPTS = 4
_MAX_PROMPT_TITLE_LENGTH = 75
"""Slack documents no limit; this is the limit of button labels."""


def suggested_prompts(phrases: Sequence[str]) -> tuple[dict[str, str], ...]:
    """Return the first phrases as prompts: Slack sends a prompt as it is when it is clicked."""
    return tuple(
        {"title": truncate(text[:1].upper() + text[1:], _MAX_PROMPT_TITLE_LENGTH), "message": text}
        for text in phrases[:MAX_PROMPTS]
    )


def render_app_home(overview: SlackOverview) -> Block:
    """Return the view for `views.publish`, below its limit of 100 blocks."""
    blocks = [
        section(describe_user(overview)),
        header("Waiting for you"),
        *request_blocks(overview.pending_requests),
        header("Your threads"),
        *thread_blocks(overview.threads),
    ]
    return {"type": "home", "blocks": blocks}
