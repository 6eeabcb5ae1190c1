"""Chat commands that look something up: threads, requests, agents and the caller."""

from typing import Any

from rich.console import RenderableType

from agents.core.errors import UnknownAgent
from channels.terminal.client import TerminalClient, api_path
from channels.terminal.commands import ListAgents, ListRequests, ListThreads, ParseError, ShowHelp, WhoAmI
from channels.terminal.page import requests_table, threads_table
from channels.terminal.views import ApiRequest, ApiThread, error_view, help_table, info_view, table

MAX_LISTED = 20

LookupCommand = ListThreads | ListRequests | ListAgents | WhoAmI | ShowHelp | ParseError


async def look_up(
    server: TerminalClient, command: LookupCommand, agent: str | None, *, is_short: bool
) -> RenderableType:
    """Return the view for a lookup command. `agent` receives new threads; `is_short` shortens ids."""
    match command:
        case ListThreads():
            threads = await server.list_all(api_path("threads"), "threads", max_items=MAX_LISTED)
            return threads_table([ApiThread.model_validate(one) for one in threads], is_short=is_short)
        case ListRequests(is_all):
            status = None if is_all else "open"
            requests = await server.list_all(api_path("requests"), "requests", max_items=MAX_LISTED, status=status)
            return requests_table([ApiRequest.model_validate(one) for one in requests], is_short=is_short)
        case ListAgents():
            agents = await fetch_agents(server)
            current = agent or agents[0]["name"]
            rows = [("*" if a["name"] == current else "", a["name"], a["purpose"]) for a in agents]
            return table(("", "agent", "purpose"), rows)
        case WhoAmI():
            return info_view(describe_caller(await server.get(api_path("me")), server.person))
        case ShowHelp():
            return help_table()
        case ParseError(hint):
            return error_view(hint)


async def fetch_agents(server: TerminalClient) -> list[Any]:
    """Return the agents of the server. The first one is the default."""
    found: list[Any] = (await server.get(api_path("agents")))["agents"]
    return found


def require_agent(name: str, agents: list[Any]) -> None:
    """Raise UnknownAgent with the known names when no agent has this name."""
    names = [agent["name"] for agent in agents]
    if name not in names:
        raise UnknownAgent(f"there is no agent {name[:40]!r}; use one of: {', '.join(names)}")


def describe_caller(caller: Any, acting_as: str | None) -> str:
    """Return a line about the owner of the token, its scopes and the person this terminal acts for."""
    facts, scopes = ", ".join((caller["address"], *caller["roles"])), ", ".join(caller["scopes"])
    line = f"you are {caller['name'] or caller['address']} ({facts}), with the token {caller['token']}: {scopes}"
    if acting_as in (None, caller["address"]):
        return line
    return f"{line}; you act as {str(acting_as).partition(':')[2]}"
