"""What somebody on Slack may look up: what waits for them, and their threads."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from agents.addresses import Address
from agents.errors import HandrailError, Permanent
from agents.events import MessageReceived
from agents.requests import Request
from agents.state import ThreadState
from bot.request_query import RequestQuery, decidable_by
from bot.roster import Roster
from bot.slack.users import ResolvedUser, resolve_user
from channels.slack.client import SlackClient
from channels.slack.destinations import Destination, parse_destination, parse_message_ref
from channels.slack.inbound_events import BotIdentity
from channels.slack.overview import Overview, PendingRequest, ThreadSummary
from storage.database import Database
from storage.event_store import events_after, list_thread_states

MAX_ITEMS = 13
"""Of each kind: one more than is shown tells that there are more."""
EPOCH = datetime.fromtimestamp(0, UTC)
_MAX_FIRST_EVENTS = 5


@dataclass(frozen=True)
class OverviewQuery:
    """Reads the store; `linked` also asks Slack where things are, which takes a call for each."""

    database: Database
    roster: Roster
    client: SlackClient

    async def load_overview(self, user_address: Address, bot: BotIdentity, *, has_links: bool = False) -> Overview:
        """All there is for one person of Slack."""
        who = resolve_user(user_address, bot, self.roster.people)
        requests = await RequestQuery(decidable_by(who.person), "open").fetch(self.database, MAX_ITEMS)
        threads = await self.list_threads(who)
        waiting = [await self._pending_request(request, has_links=has_links) for request in requests]
        rows = [await self._thread_summary(state, has_links=has_links) for state in threads]
        return Overview(user_address, who.person, tuple(waiting), tuple(rows))

    async def list_threads(self, user: ResolvedUser) -> list[ThreadState]:
        """The threads that work for somebody, newest first."""
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
        asked, at = await self._load_first_message(state.thread_id), state.updated_at or EPOCH
        return ThreadSummary(state.agent, state.status, asked, at, link)

    async def _load_first_message(self, thread_id: str) -> str:
        """What was said first."""
        first = await self.database.read(partial(events_after, thread_id=thread_id, limit=_MAX_FIRST_EVENTS))
        return next((event.text for _, event in first if isinstance(event, MessageReceived)), "")

    async def _fetch_permalink(self, channel: str, ts: str) -> str | None:
        """Where a message is found, if Slack tells."""
        try:
            return str((await self.client.call("chat.getPermalink", channel=channel, message_ts=ts)).get("permalink"))
        except HandrailError:
            return None


def _slack_root_message(origin: Address) -> tuple[str, str] | None:
    """The channel and the ts a thread hangs on, if it does on Slack; people may have named any place for replies."""
    try:
        spot = parse_destination(origin) if origin.scheme == "slack" else None
    except Permanent:
        return None
    return (spot.channel, spot.thread_ts) if isinstance(spot, Destination) and spot.thread_ts is not None else None
