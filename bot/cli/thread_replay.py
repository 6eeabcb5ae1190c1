"""Replay for the command line: rebuild a thread from its log and compare it with the stored state."""

import asyncio
from collections.abc import Mapping
from typing import Any

from bot.cli.api_client import call_server
from bot.cli.output import MAX_SEARCHED_THREADS, is_id_prefix, match_prefix, resolve_thread_id
from bot.config.database import database_url, is_locked
from bot.config.settings import Settings
from channels.terminal.client import TerminalClient, api_path


def describe_replay(result: Any) -> str:
    """Return the result of a replay in words."""
    if result["matches"]:
        return "the stored state matches"
    if result.get("unreadable"):
        return f"this version cannot read {result['unreadable']}; use the version that wrote it"
    return "the stored state DIFFERS"


def run_replay(settings: Settings, id_or_prefix: str) -> Any:
    """Return the result of a replay: from the server that has locked the database, else from this process."""
    url = database_url(settings)
    if is_locked(url):
        return call_server(settings, lambda server: _fetch_replay(server, id_or_prefix))
    return asyncio.run(_replay_locally(url, id_or_prefix))


async def _fetch_replay(server: TerminalClient, id_or_prefix: str) -> Any:
    return await server.get(api_path("threads", await resolve_thread_id(server, id_or_prefix), "replay"))


async def _replay_locally(url: str, id_or_prefix: str) -> Mapping[str, Any]:
    # These imports take 0.2 s, needless for commands that only make API requests.
    from storage.database.database import Database  # noqa: PLC0415 - as above
    from storage.event_store import list_thread_states  # noqa: PLC0415 - as above
    from storage.replay import replay  # noqa: PLC0415 - as above

    database = Database.open(url)
    try:
        if is_id_prefix(id_or_prefix):
            threads = await database.read(lambda connection: list_thread_states(connection, limit=MAX_SEARCHED_THREADS))
            id_or_prefix = match_prefix([thread.thread_id for thread in threads], id_or_prefix)
        result = await replay(database, id_or_prefix)
    finally:
        await database.close()
    state = result.state
    summary = {"id": id_or_prefix, "version": state.version, "status": state.status, "events": state.version}
    unreadable = {} if result.unreadable is None else {"unreadable": result.unreadable}
    return {**summary, "matches": result.is_match, **unreadable}
