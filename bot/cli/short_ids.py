"""Ids of threads as people type them: whole, or as much of one as no other thread begins with."""

from agents.errors import Refused
from channels.terminal.client import TerminalClient, path

WHOLE = len("thr_") + 18
SHORTEST = len("thr_") + 6
SEARCHED = 1000
"""The latest threads, among which a beginning is looked for; of older ones the whole id is needed."""

NAMED = 5


async def thread_id_of(server: TerminalClient, typed: str) -> str:
    """Return the id that begins with what was typed. What no thread begins with is left to the server to refuse.

    Raises Refused, naming the candidates, when there are several.
    """
    if not typed.startswith("thr_") or not SHORTEST <= len(typed) < WHOLE:
        return typed
    threads = await server.listed(path("threads"), "threads", most=SEARCHED)
    found = [one["id"] for one in threads if one["id"].startswith(typed)]
    if len(found) > 1:
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        raise Refused(f"{len(found)} threads begin with {typed}: {', '.join(found[:NAMED])}{more}; type more of one")
    return found[0] if found else typed
