"""What somebody on Slack may look up: what waits for them, and their threads."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from agents.addresses import Address
from agents.errors import HandrailError, Permanent
from agents.events import MessageReceived
from agents.requests import Request
from agents.state import ThreadState
from bot.decidable import Wanted, decidable_by
from bot.roster import Roster
from bot.slack.who import Somebody, somebody
from channels.slack.client import SlackClient
from channels.slack.facts import Ourselves
from channels.slack.overview import Conversation, Overview, Waiting
from channels.slack.places import Spot, message_of, spot_of
from storage.database import Database
from storage.threads import events_after, listed

MOST = 13
"""Of each kind: one more than is shown tells that there are more."""
NEVER = datetime.fromtimestamp(0, UTC)
_OPENING = 5


@dataclass(frozen=True)
class Looking:
    """Reads the store; `linked` also asks Slack where things are, which takes a call for each."""

    database: Database
    roster: Roster
    client: SlackClient

    async def overview(self, by: Address, us: Ourselves, *, linked: bool = False) -> Overview:
        """All there is for one person of Slack."""
        who = somebody(by, us, self.roster.people)
        requests = await Wanted(decidable_by(who.person), "open").found(self.database, MOST)
        threads = await self.threads(who)
        waiting = [await self._waiting(request, linked=linked) for request in requests]
        rows = [await self._row(state, linked=linked) for state in threads]
        return Overview(by, who.person, tuple(waiting), tuple(rows))

    async def threads(self, who: Somebody) -> list[ThreadState]:
        """The threads that work for somebody, newest first."""
        return await self.database.read(partial(listed, requester=who.by, limit=MOST))

    async def _waiting(self, request: Request, *, linked: bool) -> Waiting:
        card = next((card for card in request.cards if card.address.scheme == "slack"), None)
        if card is None:
            return Waiting(request)
        channel, ts = message_of(card.receipt)
        return Waiting(request, channel, await self._link(channel, ts) if linked else None)

    async def _row(self, state: ThreadState, *, linked: bool) -> Conversation:
        root = _root(state.origin) if linked else None
        link = await self._link(*root) if root else None
        asked, at = await self._asked(state.thread_id), state.updated_at or NEVER
        return Conversation(state.agent, state.status, asked, at, link)

    async def _asked(self, thread_id: str) -> str:
        """What was said first."""
        first = await self.database.read(partial(events_after, thread_id=thread_id, limit=_OPENING))
        return next((event.text for _, event in first if isinstance(event, MessageReceived)), "")

    async def _link(self, channel: str, ts: str) -> str | None:
        """Where a message is found, if Slack tells."""
        try:
            return str((await self.client.call("chat.getPermalink", channel=channel, message_ts=ts)).get("permalink"))
        except HandrailError:
            return None


def _root(origin: Address) -> tuple[str, str] | None:
    """The channel and the ts a thread hangs on, if it does on Slack; people may have named any place for replies."""
    try:
        spot = spot_of(origin) if origin.scheme == "slack" else None
    except Permanent:
        return None
    return (spot.channel, spot.root) if isinstance(spot, Spot) and spot.root is not None else None
