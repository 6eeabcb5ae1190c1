"""A small house behind the real application: real SQLite, the offline model, one agent, four people, seven tokens."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from pydantic import SecretStr

from agents.addresses import Address
from agents.agent import Agent
from agents.budget import Budget
from agents.command_model import CommandModel
from agents.commands import Command, Commands
from agents.errors import ToolError
from agents.people import People, Person
from agents.policy import Ask, Policy, Rule
from agents.state import ThreadState
from agents.tools import ToolContext, ToolResult, tool
from bot.environment.api_tokens import ApiToken
from bot.roster import Roster
from bot.web.app import create_app
from bot.web.principal import Credential
from bot.web.streams import Streams
from bot.wiring import Bot, bootstrap
from channels.registry import by_scheme
from storage.database import Database

PATIENCE = 5.0


def person(key: str, *roles: str) -> Person:
    own = (Address(f"email:{key}@example.com"), Address(f"terminal:{key}"), Address(f"web:{key}"))
    return Person(key=key, name=key.title(), roles=roles, addresses=own)


PEOPLE = People(
    everybody=(person("alice", "dev"), person("bob", "release"), person("carol", "release", "admin"), person("dan"))
)


def _known_tag(context: ToolContext, tag: str, note: str) -> dict[str, str]:
    if tag == "v0":
        raise ToolError("there is no tag v0")
    return {"tag": tag, "note": note}


@tool(effect="idempotent", risk="high", ask=Ask(roles=("release",)), prepare=_known_tag)
def push(context: ToolContext, tag: str, note: str = "") -> ToolResult:
    """Push a tag."""
    return ToolResult(summary=f"pushed {tag}", data={"tag": tag})


@tool(effect="read")
def look(context: ToolContext) -> ToolResult:
    """Look around."""
    return ToolResult(summary="all is well")


def said(say: str, **step: Any) -> Command:
    return Command(say=(say,), does=say, step=step)


PORTER = Agent(
    name="porter",
    purpose="Pushes tags.",
    instructions="Push.",
    tools=(push, look),
    commands=Commands(
        commands=(
            said("push {tag}", intent="push", tag="{tag}"),
            said("look", intent="look"),
            said("ask", intent="request_human_input", question="Why?"),
            said(
                "choose", intent="request_human_input", question="Which?", format="multiple_choice", choices=["a", "b"]
            ),
            said("nap", intent="await", seconds=3600, reason="tired"),
        )
    ),
    budget=Budget(steps=50),
)
GUARD = Agent(name="guard", purpose="Guards.", instructions="Guard.", tools=(look,))
RULES = (
    Rule(name="two for gold", tool="push", when={"tag": "gold"}, ask=Ask(roles=("release",), quorum=2)),
    Rule(
        name="another for silver",
        tool="push",
        when={"tag": "silver"},
        ask=Ask(roles=("release",), editor_may_approve=False),
    ),
    Rule(name="never lead", tool="push", when={"tag": "lead"}, deny="lead is poison"),
)
CREDENTIALS = (
    Credential(ApiToken(name="alice-cli", secret=SecretStr("secret-alice"), person="alice")),
    Credential(ApiToken(name="bob-cli", secret=SecretStr("secret-bob"), person="bob")),
    Credential(ApiToken(name="carol-cli", secret=SecretStr("secret-carol"), person="carol")),
    Credential(ApiToken(name="generated", secret=SecretStr("secret-local"), person="you"), admin=True),
    Credential(ApiToken(name="ci", secret=SecretStr("secret-ci"))),
    Credential(ApiToken(name="dan", secret=SecretStr("secret-namesake"))),
    Credential(ApiToken(name="dan-cli", secret=SecretStr("secret-dan-cli"), person="dan")),
)


@dataclass
class Surface:
    """The application, and clients for whoever holds a token."""

    bot: Bot
    app: FastAPI
    streams: Streams
    clients: list[AsyncClient] = field(default_factory=list)

    def client(self, who: str | None = "alice") -> AsyncClient:
        headers = {} if who is None else {"Authorization": f"Bearer secret-{who}"}
        client = AsyncClient(transport=ASGITransport(self.app), base_url="http://handrail", headers=headers)
        self.clients.append(client)
        return client

    async def until(self, thread_id: str, reached: Callable[[ThreadState], bool]) -> ThreadState:
        """The state of a thread as soon as it is as wanted."""
        async with asyncio.timeout(PATIENCE):
            with self.bot.engine.bell(thread_id) as bell:
                while not reached(state := await self.bot.engine.load(thread_id)):
                    await bell.wait()
                    bell.clear()
        return state

    async def opened(self, message: str = "look", who: str = "alice", **more: Any) -> str:
        """A new thread that has come to rest: its id."""
        told = await self.client(who).post("/v1/threads", json={"message": message, **more})
        assert told.status_code == 201, told.text
        thread_id: str = told.json()["id"]
        await self.until(thread_id, at_rest)
        return thread_id

    async def asked(self, message: str = "push v1", who: str = "alice", **more: Any) -> dict[str, Any]:
        """The request that a message leads to, once its card is shown."""
        return await self.request_in(await self.opened(message, who, **more), who)

    async def request_in(self, thread_id: str, who: str = "alice") -> dict[str, Any]:
        """The request that is open in a thread, once its card is shown."""
        state = await self.until(thread_id, lambda state: bool(state.request and state.request.cards))
        assert state.request is not None
        told = await self.client(who).get(f"/v1/requests/{state.request.id}")
        return dict(told.json())

    async def answer(self, request: dict[str, Any], who: str, **body: Any) -> Response:
        return await self.client(who).post(f"/v1/requests/{request['id']}/answer", json=body)


def at_rest(state: ThreadState) -> bool:
    return state.status != "running" and not state.outgoing


@asynccontextmanager
async def surface_on(url: str, streams: Streams | None = None) -> AsyncIterator[Surface]:
    streams = streams or Streams()
    roster = Roster(agents={"porter": PORTER, "guard": GUARD}, policy=Policy(rules=RULES, people=PEOPLE))
    bot = bootstrap(Database.open(url), roster, CommandModel(), by_scheme())
    surface = Surface(bot, create_app(bot, CREDENTIALS, streams=streams), streams)
    await bot.start()
    try:
        yield surface
    finally:
        for client in surface.clients:
            await client.aclose()
        await bot.stop()
