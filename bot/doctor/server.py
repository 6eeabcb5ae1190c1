"""The running server: whether it answers, is well, and lets us in."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from agents.errors import HandrailError, MissingScope, Unavailable
from agents.visible_text import escape_hidden_characters
from bot.doctor.finding import Finding
from channels.terminal.client import TerminalClient, api_path


def check_server(client: TerminalClient) -> Iterator[Finding]:
    """That no server runs is no problem: it may be meant so."""
    yield from asyncio.run(_check(client))


async def _check(client: TerminalClient) -> list[Finding]:
    async with client:
        try:
            told = await client.get_readiness()
        except Unavailable:
            fix = "start it with `make up`, or set HANDRAIL_URL to where it is"
            return [Finding(name="server", state="warning", message=f"none answers at {client.url}", fix=fix)]
        except HandrailError as error:
            return [Finding(name="server", state="problem", message=str(error), fix="set HANDRAIL_URL")]
        return [*_health_findings(client.url, told), await _check_token(client)]


def _health_findings(url: str, readiness: Any) -> list[Finding]:
    checks = readiness.get("checks") if isinstance(readiness, dict) else None
    if not isinstance(checks, dict):
        return [Finding(name="server", state="problem", message=f"{url} is no Handrail", fix="set HANDRAIL_URL")]
    ill = {name: check["problem"] for name, check in checks.items() if not check["ok"]}
    tools = list(_tool_findings(readiness))
    if not ill:
        return [Finding(name="server", state="ok", message=f"{url} is ready"), *tools]
    return [
        *(Finding(name="server", state="problem", message=f"{name}: {problem}") for name, problem in ill.items()),
        *tools,
    ]


def _tool_findings(readiness: Mapping[str, Any]) -> Iterator[Finding]:
    """The tools whose calls exceeded their time since the server started."""
    for name, use in (readiness.get("tools") or {}).items():
        if use["exceeded"]:
            tool = escape_hidden_characters(name)
            text = f"{tool} exceeded its time {use['exceeded']} times; {use['hanging']} calls have not ended"
            fix = "give the tool time limits of its own, or a process; restart the server to end calls that hang"
            yield Finding(name="tools", state="warning", message=text, fix=fix)


async def _check_token(client: TerminalClient) -> Finding:
    try:
        await client.get(api_path("threads"), limit=1)
    except MissingScope as error:
        return Finding(
            name="token", state="warning", message=str(error), fix="set HANDRAIL_API_TOKEN to one that has it"
        )
    except HandrailError as error:
        return Finding(name="token", state="problem", message=str(error), fix="set HANDRAIL_API_TOKEN to one it knows")
    return Finding(name="token", state="ok", message="the server knows our token")
