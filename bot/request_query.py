"""Requests somebody could decide now, or that fit otherwise: the store is read on until there are enough."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from agents.decisions import may_decide
from agents.people import Person
from agents.requests import Request
from agents.rights import Viewer
from storage.database import Database
from storage.requests import list_requests

PAGE_SIZE = 200


@dataclass(frozen=True)
class RequestQuery:
    """Which requests: by status, of one thread, behind a position (opened_at, id), for a viewer; and which fit."""

    matches: Callable[[Request], bool]
    status: str | None = None
    thread_id: str | None = None
    before: tuple[datetime, str] | None = None
    viewer: Viewer | None = None

    async def fetch(self, database: Database, limit: int, *, page_size: int = PAGE_SIZE) -> list[Request]:
        """At most `limit`, newest first."""
        fitting: list[Request] = []
        before = self.before
        while len(fitting) < limit:
            read = partial(list_requests, status=self.status, thread_id=self.thread_id, viewer=self.viewer)
            requests = await database.read(partial(read, before=before, limit=page_size))
            fitting += filter(self.matches, requests)
            if len(requests) < page_size:
                break
            before = requests[-1].opened_at, requests[-1].id
        return fitting[:limit]


def decidable_by(person: Person | None) -> Callable[[Request], bool]:
    """Whether they could decide it now; nobody in particular decides nothing."""
    return lambda request: request.status == "open" and person is not None and may_decide(person, request.terms)
