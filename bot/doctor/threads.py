"""Threads that cannot go on here: this build cannot read them, or their agent is missing."""

import asyncio
from collections.abc import Iterator

from pydantic import ValidationError

from agents.errors import HandrailError
from agents.visible_text import escape_hidden_characters
from bot.doctor.finding import Finding
from channels.terminal.client import TerminalClient, api_path
from storage.thread_scan import MAX_SCANNED, AffectedThreads, ThreadScan


def threads_found(scan: ThreadScan) -> Iterator[Finding]:
    """Yield a finding for the threads that cannot be read, and one for those whose agent is missing."""
    if scan.scanned:
        yield _unreadable(scan)
    if scan.without_agent.count:
        yield _without_agent(scan.without_agent)


def threads_of_server(client: TerminalClient) -> Iterator[Finding]:
    """Yield the same from a server that has the database for itself; nothing if none answers."""
    scan = asyncio.run(_asked(client))
    yield from () if scan is None else (scan,) if isinstance(scan, Finding) else threads_found(scan)


async def _asked(client: TerminalClient) -> ThreadScan | Finding | None:
    async with client:
        try:
            return ThreadScan.model_validate(await client.get(api_path("doctor")))
        except (HandrailError, ValidationError) as error:
            if getattr(error, "code", "") != "missing_scope":
                return None
            fix = "set HANDRAIL_API_TOKEN to one with the scope admin to have them looked at"
            return Finding(name="unreadable", state="ok", message="threads were not looked at", fix=fix)


def _unreadable(scan: ThreadScan) -> Finding:
    found, looked_at = scan.unreadable, _looked_at(scan)
    if not found.count:
        return Finding(name="unreadable", state="ok", message=f"this version can read {looked_at}")
    told = f"of {looked_at}, this version cannot read {found.count} ({_joined(found.causes)}): {_named(found)}"
    fix = (
        "run the version that wrote them, or a newer one: until then they are paused. If no newer version ever ran "
        "here, report it as a bug, with what `handrail threads events "
        f"{escape_hidden_characters(found.thread_ids[0])}` shows"
    )
    return Finding(name="unreadable", state="warning", message=told, fix=fix, data=found.model_dump(mode="json"))


def _without_agent(found: AffectedThreads) -> Finding:
    told = f"{found.count} threads wait for agents that do not exist here ({_joined(found.causes)}): {_named(found)}"
    fix = (
        "bring the agent back under this name, then `handrail threads resume ID`; "
        "or end them with `handrail threads cancel ID`"
    )
    return Finding(name="agents", state="warning", message=told, fix=fix, data=found.model_dump(mode="json"))


def _looked_at(scan: ThreadScan) -> str:
    return f"the newest {scan.scanned} threads" if scan.scanned >= MAX_SCANNED else f"all {scan.scanned} threads"


def _named(found: AffectedThreads) -> str:
    return _joined(found.thread_ids) + (", …" if found.count > len(found.thread_ids) else "")


def _joined(texts: tuple[str, ...]) -> str:
    return ", ".join(map(escape_hidden_characters, texts))
