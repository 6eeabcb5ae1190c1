"""Search for requests."""

from agents.people import Person
from agents.requests import Request
from agents.rights import Viewer
from bot.request_query import PAGE_SIZE, RequestQuery, decidable_by
from bot.web.cursor import parse_cursor
from bot.web.query_params import RequestListParams
from storage.database import Database


async def find_requests(
    database: Database, query: RequestListParams, decider: Person | None, limit: int, viewer: Viewer
) -> list[Request]:
    """Return at most `limit` requests the viewer may see, newest first; with `mine`, those `decider` can decide now."""
    matches = decidable_by(decider) if query.mine else (lambda _: True)
    search = RequestQuery(matches, query.status_filter, query.thread_id, parse_cursor(query.cursor), viewer)
    return await search.fetch(database, limit, page_size=PAGE_SIZE if query.mine else limit)
