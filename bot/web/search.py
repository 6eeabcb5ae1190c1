"""Looking for requests, also for those that somebody could decide."""

from dataclasses import dataclass

from agents.judge import eligible
from agents.people import Person
from agents.requests import Request
from bot.web.cursor import Position, position
from bot.web.queries import MOST, RequestQuery
from storage.database import Database
from storage.requests import list_requests


@dataclass(frozen=True)
class Search:
    """What is looked for. Of `mine`, only what `decider` could decide now; a decider of None decides nothing."""

    query: RequestQuery
    decider: Person | None

    async def found(self, database: Database, limit: int) -> list[Request]:
        """At most `limit` requests, newest first: the store is read on until there are enough that fit."""
        fitting: list[Request] = []
        before, size = position(self.query.cursor), MOST if self.query.mine else limit
        while len(fitting) < limit:
            page = await self._page(database, before, size)
            fitting += filter(self._fits, page)
            if len(page) < size:
                break
            before = page[-1].opened_at, page[-1].id
        return fitting[:limit]

    def _fits(self, request: Request) -> bool:
        if not self.query.mine:
            return True
        return request.status == "open" and self.decider is not None and eligible(self.decider, request.ask)

    async def _page(self, database: Database, before: Position | None, size: int) -> list[Request]:
        status, thread_id = self.query.stored_status, self.query.thread_id
        return await database.read(
            lambda connection: list_requests(connection, status=status, thread_id=thread_id, before=before, limit=size)
        )
