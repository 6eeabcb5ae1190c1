"""A replay for the command line: the log of a thread folded again, and compared with what is stored."""

import asyncio
from collections.abc import Mapping
from typing import Any

from bot.cli.server import ask
from bot.cli.short_ids import SEARCHED, needs_search, one_of, thread_id_of
from bot.database import held, url_of
from bot.settings import Settings
from channels.terminal.client import TerminalClient, path


def verdict(found: Any) -> str:
    """Return what a replay found, in words."""
    if found["matches"]:
        return "the stored state is what they fold to"
    if found.get("unreadable"):
        return f"this Handrail cannot read {found['unreadable']}; use the version that wrote it"
    return "the stored state DIFFERS"


def replayed(settings: Settings, thread_id: str) -> Any:
    """Return what a replay of the thread finds: by the server that holds the database, else by this process."""
    url = url_of(settings)
    if held(url):
        return ask(settings, lambda server: _asked(server, thread_id))
    return asyncio.run(_folded(url, thread_id))


async def _asked(server: TerminalClient, typed: str) -> Any:
    return await server.get(path("threads", await thread_id_of(server, typed), "replay"))


async def _folded(url: str, typed: str) -> Mapping[str, Any]:
    # 0.2 s of start-up that the other commands, which ask the server, do without
    from storage.database import Database  # noqa: PLC0415 - as above
    from storage.replaying import replay  # noqa: PLC0415 - as above
    from storage.threads import listed  # noqa: PLC0415 - as above

    database = Database.open(url)
    try:
        if needs_search(typed):
            threads = await database.read(lambda connection: listed(connection, limit=SEARCHED))
            typed = one_of([thread.thread_id for thread in threads], typed)
        found = await replay(database, typed)
    finally:
        await database.close()
    state = found.state
    facts = {"id": typed, "version": state.version, "status": state.status, "events": state.version}
    unreadable = {} if found.unreadable is None else {"unreadable": found.unreadable}
    return {**facts, "matches": found.matches, **unreadable}
