"""Looking for requests, also for those that somebody could decide."""

from agents.people import Person
from agents.requests import Request
from agents.rights import Viewer
from bot.decidable import PAGE, Wanted, decidable_by
from bot.web.cursor import position
from bot.web.queries import RequestQuery
from storage.database import Database


async def found(
    database: Database, query: RequestQuery, decider: Person | None, limit: int, viewer: Viewer
) -> list[Request]:
    """At most `limit` requests the viewer may see, newest first. Of `mine`, only what `decider` could decide now."""
    fits = decidable_by(decider) if query.mine else (lambda _: True)
    wanted = Wanted(fits, query.stored_status, query.thread_id, position(query.cursor), viewer)
    return await wanted.found(database, limit, page=PAGE if query.mine else limit)
