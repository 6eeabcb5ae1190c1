"""Queries for the requests that a person can decide, and the overview of these and of the person's threads.

A query pages through requests until enough of them match a predicate, such as "this person may decide it".
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from agents.core.decisions import may_decide
from agents.core.events import MessageReceived
from agents.core.people import Person
from agents.core.requests import Request
from agents.core.rights import Viewer
from agents.core.values import Address
from channels.inbound import Overview, ThreadSummary
from storage.database.database import Database
from storage.event_store import events_after, list_thread_states
from storage.requests import list_requests

PAGE_SIZE = 200


@dataclass(frozen=True)
class RequestQuery:
    """Query for requests: filters of the database and the predicate `matches`.

    `before` is the position (opened_at, id) behind which to start. `viewer` limits the result to visible requests.
    """

    matches: Callable[[Request], bool]
    status: str | None = None
    thread_id: str | None = None
    before: tuple[datetime, str] | None = None
    viewer: Viewer | None = None

    async def fetch(self, database: Database, limit: int, *, page_size: int = PAGE_SIZE) -> list[Request]:
        """Return at most `limit` requests, newest first."""
        matching: list[Request] = []
        before = self.before
        while len(matching) < limit:
            read = partial(list_requests, status=self.status, thread_id=self.thread_id, viewer=self.viewer)
            requests = await database.read(partial(read, before=before, limit=page_size))
            matching += filter(self.matches, requests)
            if len(requests) < page_size:
                break
            before = requests[-1].opened_at, requests[-1].id
        return matching[:limit]


def decidable_by(person: Person | None) -> Callable[[Request], bool]:
    """Return a predicate: whether the person could decide a request now. Without a person it is always false."""
    return lambda request: request.status == "open" and person is not None and may_decide(person, request.terms)


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
