"""Ids of threads as people type them: whole, or as much of one as no other thread begins with."""

from collections.abc import Sequence

from agents.errors import Conflict
from channels.terminal.client import TerminalClient, api_path

FULL_ID_LENGTH = len("thr_") + 18
MIN_PREFIX_LENGTH = len("thr_") + 6
MAX_SEARCHED_THREADS = 1000
"""The latest threads, among which a beginning is looked for; of older ones the whole id is needed."""

MAX_LISTED_CANDIDATES = 5


async def resolve_thread_id(server: TerminalClient, id_or_prefix: str) -> str:
    """Return the id of the thread that begins with what was typed. Raises Refused when there are several."""
    if not is_id_prefix(id_or_prefix):
        return id_or_prefix
    threads = await server.list_all(api_path("threads"), "threads", max_items=MAX_SEARCHED_THREADS)
    return match_prefix([thread["id"] for thread in threads], id_or_prefix)


def is_id_prefix(id_or_prefix: str) -> bool:
    """Return whether this is the beginning of an id, and long enough to be one."""
    return id_or_prefix.startswith("thr_") and MIN_PREFIX_LENGTH <= len(id_or_prefix) < FULL_ID_LENGTH


def match_prefix(ids: Sequence[str], prefix: str) -> str:
    """Return the only id with this beginning; what no id begins with is left to be refused as it is.

    Raises Refused, naming the candidates, when there are several.
    """
    found = [one for one in ids if one.startswith(prefix)]
    if len(found) > 1:
        more = f" and {len(found) - MAX_LISTED_CANDIDATES} more" if len(found) > MAX_LISTED_CANDIDATES else ""
        raise Conflict(
            f"{len(found)} threads begin with {prefix}: {', '.join(found[:MAX_LISTED_CANDIDATES])}{more}; "
            "type more characters of one of them"
        )
    return found[0] if found else prefix
