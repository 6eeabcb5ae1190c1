"""Overview of a Slack user: the requests that they can decide, and their threads, with links to Slack."""

from dataclasses import dataclass
from datetime import UTC, datetime

from agents.core.errors import HandrailError, Permanent
from agents.core.requests import Request
from agents.core.values import Address
from channels.base import Receiver
from channels.inbound import ThreadSummary
from channels.slack.app_home import PendingRequest, SlackOverview, ThreadRow
from channels.slack.arrivals import create_sender
from channels.slack.client import SlackClient
from channels.slack.destinations import Destination, parse_destination, parse_message_ref
from channels.slack.inbound_events import BotIdentity

MAX_ITEMS = 13
"""Rows of each kind: one more than is shown, so that the overview can say that there are more."""
EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class OverviewQuery:
    """Loads overviews from the receiver, and permalinks from Slack."""

    client: SlackClient

    async def load(
        self, user_address: Address, bot: BotIdentity, receiver: Receiver, *, has_links: bool = False
    ) -> SlackOverview:
        """Return the overview of one user. `has_links` adds permalinks, with one call to Slack per row."""
        found = await receiver.overview(create_sender(user_address, bot), MAX_ITEMS)
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
