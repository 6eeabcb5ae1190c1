"""What the server has to show when it is asked: threads, requests, agents, and the person who asks."""

from typing import Any

from rich.console import RenderableType

from agents.errors import UnknownAgent
from channels.terminal.client import TerminalClient, path
from channels.terminal.lists import requests_table, threads_table
from channels.terminal.orders import ListAgents, ListRequests, ListThreads, Misunderstood, ShowHelp, WhoAmI
from channels.terminal.outbound import (
    RequestView,
    ThreadView,
    help_table,
    notice,
    table,
    trouble,
)

LISTED = 20

Lookup = ListThreads | ListRequests | ListAgents | WhoAmI | ShowHelp | Misunderstood


async def looked_up(server: TerminalClient, order: Lookup, agent: str | None, *, is_short: bool) -> RenderableType:
    """Return what an order asks to see. `agent` is the one that new threads go to; `is_short` shortens ids."""
    match order:
        case ListThreads():
            threads = await server.listed(path("threads"), "threads", most=LISTED)
            return threads_table([ThreadView.model_validate(one) for one in threads], is_short=is_short)
        case ListRequests(is_all):
            status = None if is_all else "open"
            requests = await server.listed(path("requests"), "requests", most=LISTED, status=status)
            return requests_table([RequestView.model_validate(one) for one in requests], is_short=is_short)
        case ListAgents():
            agents = await agents_of(server)
            current = agent or agents[0]["name"]
            rows = [("*" if one["name"] == current else "", one["name"], one["purpose"]) for one in agents]
            return table(("", "agent", "purpose"), rows)
        case WhoAmI():
            return notice(caller_line(await server.get(path("me")), server.person))
        case ShowHelp():
            return help_table()
        case Misunderstood(hint):
            return trouble(hint)


async def agents_of(server: TerminalClient) -> list[Any]:
    """Return the agents of the server; the first is the one that is asked when none is named."""
    found: list[Any] = (await server.get(path("agents")))["agents"]
    return found


def require_agent(name: str, agents: list[Any]) -> None:
    """Raise UnknownAgent, naming those there are, when none has this name."""
    names = [one["name"] for one in agents]
    if name not in names:
        raise UnknownAgent(f"there is no agent {name[:40]!r}; there are: {', '.join(names)}")


def caller_line(caller: Any, speaking_as: str | None) -> str:
    """Return who the token belongs to, and in whose name this terminal speaks."""
    facts, scopes = ", ".join((caller["address"], *caller["roles"])), ", ".join(caller["scopes"])
    line = f"you are {caller['name'] or caller['address']} ({facts}), with the token {caller['token']}: {scopes}"
    if speaking_as in (None, caller["address"]):
        return line
    return f"{line}; you speak and decide as {str(speaking_as).partition(':')[2]}"
