"""Check of the running server: whether it answers, is ready and accepts the token of the command line."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from agents.errors import HandrailError, MissingScope, Unavailable
from agents.visible_text import escape_hidden_characters
from bot.doctor.finding import Finding
from channels.terminal.client import TerminalClient, api_path


def check_server(client: TerminalClient) -> Iterator[Finding]:
    """Yield findings about the server. A server that does not run is a warning, as it may be stopped on purpose."""
    yield from asyncio.run(_check(client))


async def _check(client: TerminalClient) -> list[Finding]:
    async with client:
        try:
            readiness = await client.get_readiness()
        except Unavailable:
            fix = "start it with `make up`, or set HANDRAIL_URL to its address"
            return [Finding(name="server", state="warning", message=f"no server answers at {client.url}", fix=fix)]
        except HandrailError as error:
            return [Finding(name="server", state="problem", message=str(error), fix="set HANDRAIL_URL")]
        return [*_health_findings(client.url, readiness), await _check_token(client)]


def _health_findings(url: str, readiness: Any) -> list[Finding]:
    checks = readiness.get("checks") if isinstance(readiness, dict) else None
    if not isinstance(checks, dict):
        message = f"{url} is not a Handrail server"
        return [Finding(name="server", state="problem", message=message, fix="set HANDRAIL_URL")]
    problems = {name: check["problem"] for name, check in checks.items() if not check["ok"]}
    tools = list(_tool_findings(readiness))
    if not problems:
        return [Finding(name="server", state="ok", message=f"{url} is ready"), *tools]
    return [
        *(Finding(name="server", state="problem", message=f"{name}: {problem}") for name, problem in problems.items()),
        *tools,
    ]


def _tool_findings(readiness: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield a warning for each tool with calls that exceeded their time limit since the server started."""
    for name, usage in (readiness.get("tools") or {}).items():
        if usage["exceeded"]:
            tool = escape_hidden_characters(name)
            text = f"{tool} exceeded its time limit {usage['exceeded']} times; {usage['hanging']} calls have not ended"
            fix = (
                "add timeouts to the code of the tool, or run it in a process; restart the server to end hanging calls"
            )
            yield Finding(name="tools", state="warning", message=text, fix=fix)


async def _check_token(client: TerminalClient) -> Finding:
    try:
        await client.get(api_path("threads"), limit=1)
    except MissingScope as error:
        fix = "set HANDRAIL_API_TOKEN to a token with this scope"
        return Finding(name="token", state="warning", message=str(error), fix=fix)
    except HandrailError as error:
        fix = "set HANDRAIL_API_TOKEN to one of the server's tokens"
        return Finding(name="token", state="problem", message=str(error), fix=fix)
    return Finding(name="token", state="ok", message="the server accepts the API token")
