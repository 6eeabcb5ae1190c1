"""Thread ids as people type them: the whole id or a unique prefix."""

from collections.abc import Sequence

from agents.errors import Conflict
from channels.terminal.client import TerminalClient, api_path

FULL_ID_LENGTH = len("thr_") + 18
MIN_PREFIX_LENGTH = len("thr_") + 6
MAX_SEARCHED_THREADS = 1000
"""Only the newest threads are searched for a prefix. An older thread needs its whole id."""

MAX_LISTED_CANDIDATES = 5


async def resolve_thread_id(server: TerminalClient, id_or_prefix: str) -> str:
    """Return the id of the thread with this id or prefix. Raises Conflict when several threads match."""
    if not is_id_prefix(id_or_prefix):
        return id_or_prefix
    threads = await server.list_all(api_path("threads"), "threads", max_items=MAX_SEARCHED_THREADS)
    return match_prefix([thread["id"] for thread in threads], id_or_prefix)


def is_id_prefix(id_or_prefix: str) -> bool:
    """Return whether the text is a prefix of a thread id that is long enough to search for."""
    return id_or_prefix.startswith("thr_") and MIN_PREFIX_LENGTH <= len(id_or_prefix) < FULL_ID_LENGTH


def match_prefix(ids: Sequence[str], prefix: str) -> str:
    """Return the only id with this prefix, or the prefix itself when no id matches, so that the lookup reports it.

    Raises Conflict with the candidates when several ids match.
    """
    found = [thread_id for thread_id in ids if thread_id.startswith(prefix)]
    if len(found) > 1:
        more = f" and {len(found) - MAX_LISTED_CANDIDATES} more" if len(found) > MAX_LISTED_CANDIDATES else ""
        raise Conflict(
            f"{len(found)} threads begin with {prefix}: {', '.join(found[:MAX_LISTED_CANDIDATES])}{more}; "
            "type more characters of one of them"
        )
    return found[0] if found else prefix
