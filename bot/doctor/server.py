"""The running server: whether it answers, is well, and lets us in."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from agents.errors import HandrailError, MissingScope, Unreachable
from agents.visible import visible
from bot.doctor.finding import Finding
from channels.terminal.client import TerminalClient, path


def server(client: TerminalClient) -> Iterator[Finding]:
    """That no server runs is no problem: it may be meant so."""
    yield from asyncio.run(_asked(client))


async def _asked(client: TerminalClient) -> list[Finding]:
    async with client:
        try:
            told = await client.ready()
        except Unreachable:
            fix = "start it with `make up`, or set HANDRAIL_URL to where it is"
            return [Finding(name="server", state="warning", told=f"none answers at {client.url}", fix=fix)]
        except HandrailError as error:
            return [Finding(name="server", state="problem", told=str(error), fix="set HANDRAIL_URL")]
        return [*_health(client.url, told), await _entry(client)]


def _health(url: str, told: Any) -> list[Finding]:
    checks = told.get("checks") if isinstance(told, dict) else None
    if not isinstance(checks, dict):
        return [Finding(name="server", state="problem", told=f"{url} is no Handrail", fix="set HANDRAIL_URL")]
    ill = {name: check["problem"] for name, check in checks.items() if not check["ok"]}
    tools = list(_tools(told))
    if not ill:
        return [Finding(name="server", state="ok", told=f"{url} is ready"), *tools]
    return [
        *(Finding(name="server", state="problem", told=f"{name}: {problem}") for name, problem in ill.items()),
        *tools,
    ]


def _tools(told: Mapping[str, Any]) -> Iterator[Finding]:
    """The tools whose calls exceeded their time since the server started."""
    for name, use in (told.get("tools") or {}).items():
        if use["exceeded"]:
            text = f"{visible(name)} exceeded its time {use['exceeded']} times; {use['hanging']} calls have not ended"
            fix = "give the tool time limits of its own, or a process; restart the server to end calls that hang"
            yield Finding(name="tools", state="warning", told=text, fix=fix)


async def _entry(client: TerminalClient) -> Finding:
    try:
        await client.get(path("threads"), limit=1)
    except MissingScope as error:
        return Finding(name="token", state="warning", told=str(error), fix="set HANDRAIL_API_TOKEN to one that has it")
    except HandrailError as error:
        return Finding(name="token", state="problem", told=str(error), fix="set HANDRAIL_API_TOKEN to one it knows")
    return Finding(name="token", state="ok", told="the server knows our token")
