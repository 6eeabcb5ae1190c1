"""Ids of threads as people type them: whole, or as much of one as no other thread begins with."""

from collections.abc import Sequence

from agents.errors import Refused
from channels.terminal.client import TerminalClient, path

WHOLE = len("thr_") + 18
SHORTEST = len("thr_") + 6
SEARCHED = 1000
"""The latest threads, among which a beginning is looked for; of older ones the whole id is needed."""

NAMED = 5


async def thread_id_of(server: TerminalClient, typed: str) -> str:
    """Return the id of the thread that begins with what was typed. Raises Refused when there are several."""
    if not needs_search(typed):
        return typed
    threads = await server.listed(path("threads"), "threads", most=SEARCHED)
    return one_of([thread["id"] for thread in threads], typed)


def needs_search(typed: str) -> bool:
    """Return whether this is the beginning of an id, and long enough to be one."""
    return typed.startswith("thr_") and SHORTEST <= len(typed) < WHOLE


def one_of(ids: Sequence[str], typed: str) -> str:
    """Return the only id with this beginning; what no id begins with is left to be refused as it is.

    Raises Refused, naming the candidates, when there are several.
    """
    found = [one for one in ids if one.startswith(typed)]
    if len(found) > 1:
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        raise Refused(f"{len(found)} threads begin with {typed}: {', '.join(found[:NAMED])}{more}; type more of one")
    return found[0] if found else typed
