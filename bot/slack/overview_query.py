"""Query for the overview of a Slack user: the requests that they can decide, and their threads."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from agents.core.errors import HandrailError, Permanent
from agents.core.events import MessageReceived
from agents.core.requests import Request
from agents.core.state import ThreadState
from agents.core.values import Address
from bot.services.request_query import RequestQuery, decidable_by
from bot.services.roster import Roster
from bot.slack.users import ResolvedUser, resolve_user
from channels.slack.app_home import Overview, PendingRequest, ThreadSummary
from channels.slack.client import SlackClient
from channels.slack.destinations import Destination, parse_destination, parse_message_ref
from channels.slack.inbound_events import BotIdentity
from storage.database.database import Database
from storage.event_store import events_after, list_thread_states

MAX_ITEMS = 13
"""Rows of each kind: one more than is shown, so that the overview can say that there are more."""
EPOCH = datetime.fromtimestamp(0, UTC)
_MAX_FIRST_EVENTS = 5


@dataclass(frozen=True)
class OverviewQuery:
    """Loads overviews from the store, and permalinks from Slack."""

    database: Database
    roster: Roster
    client: SlackClient

    async def load_overview(self, user_address: Address, bot: BotIdentity, *, has_links: bool = False) -> Overview:
        """Return the overview of one user. `has_links` adds permalinks, with one call to Slack per row."""
        user = resolve_user(user_address, bot, self.roster.people)
        requests = await RequestQuery(decidable_by(user.person), "open").fetch(self.database, MAX_ITEMS)
        threads = await self.list_threads(user)
        pending = [await self._pending_request(request, has_links=has_links) for request in requests]
        summaries = [await self._thread_summary(state, has_links=has_links) for state in threads]
        return Overview(user_address, user.person, tuple(pending), tuple(summaries))

    async def list_threads(self, user: ResolvedUser) -> list[ThreadState]:
        """Return the threads that the user requested, newest first."""
        return await self.database.read(partial(list_thread_states, requester=user.address, limit=MAX_ITEMS))

    async def _pending_request(self, request: Request, *, has_links: bool) -> PendingRequest:
        card = next((card for card in request.cards if card.address.scheme == "slack"), None)
        if card is None:
            return PendingRequest(request)
        channel, ts = parse_message_ref(card.receipt)
        return PendingRequest(request, channel, await self._fetch_permalink(channel, ts) if has_links else None)

    async def _thread_summary(self, state: ThreadState, *, has_links: bool) -> ThreadSummary:
        root = _slack_root_message(state.origin) if has_links else None
        link = await self._fetch_permalink(*root) if root else None
        title, updated_at = await self._load_first_message(state.thread_id), state.updated_at or EPOCH
        return ThreadSummary(state.agent, state.status, title, updated_at, link)

    async def _load_first_message(self, thread_id: str) -> str:
        """Return the text of the thread's first message, empty if it is not among its first events."""
        events = await self.database.read(partial(events_after, thread_id=thread_id, limit=_MAX_FIRST_EVENTS))
        return next((event.text for _, event in events if isinstance(event, MessageReceived)), "")

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
