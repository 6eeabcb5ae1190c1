"""Overview of a person: the requests that wait for them, and their threads."""

from dataclasses import dataclass
from functools import partial

from agents.core.events import MessageReceived
from agents.core.people import Person
from agents.core.values import Address
from bot.services.request_query import RequestQuery, decidable_by
from channels.inbound import Overview, ThreadSummary
from storage.database.database import Database
from storage.event_store import events_after, list_thread_states

_MAX_FIRST_EVENTS = 5


@dataclass(frozen=True)
class OverviewQuery:
    """Loads overviews from the store."""

    database: Database

    async def load(self, address: Address, person: Person | None, limit: int) -> Overview:
        """Return the overview of a person, or of an unknown sender. Both lists have at most `limit` entries."""
        requests = await RequestQuery(decidable_by(person), "open").fetch(self.database, limit)
        threads = await self.database.read(partial(list_thread_states, requester=address, limit=limit))
        summaries = [ThreadSummary(state, await self._load_first_message(state.thread_id)) for state in threads]
        return Overview(person, tuple(requests), tuple(summaries))

    async def _load_first_message(self, thread_id: str) -> str:
        """Return the text of the thread's first message, empty if it is not among its first events."""
        events = await self.database.read(partial(events_after, thread_id=thread_id, limit=_MAX_FIRST_EVENTS))
        return next((event.text for _, event in events if isinstance(event, MessageReceived)), "")
