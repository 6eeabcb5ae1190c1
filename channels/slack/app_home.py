"""App Home (docs.slack.dev/surfaces/app-home): a user's identity, requests and threads, with links to Slack.

The Messages tab suggests example commands as prompts.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from agents.core.cards import describe_requesters, render_card
from agents.core.errors import HandrailError, Permanent
from agents.core.messages import Card
from agents.core.people import Person
from agents.core.requests import Request
from agents.core.state import ThreadStatus
from agents.core.values import Address
from agents.core.visible_text import escape_hidden_characters
from channels.base import Receiver
from channels.inbound import ThreadSummary
from channels.slack.blocks import Block, View, context, header, link_button, plain_text, section, timestamp, truncate
from channels.slack.client import SlackClient
from channels.slack.destinations import Destination, parse_destination, parse_message_ref
from channels.slack.inbound_events import BotIdentity, create_sender


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
"""Rows of each kind; both lists together stay below 12,000 characters, the limit of all blocks of a message or view
(see `channels/slack/cards.py`)."""

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


_MAX_DESCRIPTION_LENGTH = 1000


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
    return truncate(f"You are {name} ({key}), {roles_text}.", _MAX_DESCRIPTION_LENGTH)


MAX_PROMPTS = 4
_MAX_PROMPT_TITLE_LENGTH = 75
"""Slack documents no limit; this is the limit of button labels."""


def suggested_prompts(commands: Sequence[str]) -> tuple[dict[str, str], ...]:
    """Return the first example commands as prompts of the Messages tab: a click sends the `message` of a prompt."""
    return tuple(
        {"title": truncate(text[:1].upper() + text[1:], _MAX_PROMPT_TITLE_LENGTH), "message": text}
        for text in commands[:MAX_PROMPTS]
    )


def render_app_home(overview: SlackOverview) -> View:
    """Return the view for `views.publish`, below its limit of 100 blocks."""
    blocks = [
        section(describe_user(overview)),
        header("Waiting for you"),
        *request_blocks(overview.pending_requests),
        header("Your threads"),
        *thread_blocks(overview.threads),
    ]
    return {"type": "home", "blocks": blocks}


MAX_LOADED_ROWS = MAX_ROWS + 1
"""Rows of each kind: one more than is shown, so that the overview can say that there are more."""
EPOCH = datetime.fromtimestamp(0, UTC)
"""Shown as the last change of a thread whose log cannot be read and has no times."""


@dataclass(frozen=True)
class OverviewQuery:
    """Loads overviews from the receiver, and permalinks from Slack."""

    client: SlackClient

    async def load(
        self, user_address: Address, bot: BotIdentity, receiver: Receiver, *, has_links: bool = False
    ) -> SlackOverview:
        """Return the overview of one user. `has_links` adds permalinks, with one call to Slack per row."""
        found = await receiver.overview(create_sender(user_address, bot), MAX_LOADED_ROWS)
        pending = [await self._pending_request(request, has_links=has_links) for request in found.requests]
        rows = [await self._to_thread_row(thread, has_links=has_links) for thread in found.threads]
        return SlackOverview(user_address, found.person, tuple(pending), tuple(rows))

    async def _pending_request(self, request: Request, *, has_links: bool) -> PendingRequest:
        card = next((card for card in request.cards if card.address.scheme == "slack"), None)
        if card is None:
            return PendingRequest(request)
        channel, ts = parse_message_ref(card.receipt)
        return PendingRequest(request, channel, await self._fetch_permalink(channel, ts) if has_links else None)

    async def _to_thread_row(self, thread: ThreadSummary, *, has_links: bool) -> ThreadRow:
        state = thread.state
        root = _slack_root_message(state.origin) if has_links else None
        link = await self._fetch_permalink(*root) if root else None
        return ThreadRow(state.agent, state.status, thread.title, state.updated_at or EPOCH, link)

    async def _fetch_permalink(self, channel: str, ts: str) -> str | None:
        """Return a message's permalink, None if the call fails."""
        try:
            return str((await self.client.call("chat.getPermalink", channel=channel, message_ts=ts)).get("permalink"))
        except HandrailError:
            return None


def _slack_root_message(origin: Address) -> tuple[str, str] | None:
    """Return the channel and ts of a thread's root message on Slack, None for any other origin.

    The origin may be an invalid Slack address, because callers of the API choose it.
    """
    try:
        destination = parse_destination(origin) if origin.scheme == "slack" else None
    except Permanent:
        return None
    if not isinstance(destination, Destination) or destination.thread_ts is None:
        return None
    return destination.channel, destination.thread_ts
