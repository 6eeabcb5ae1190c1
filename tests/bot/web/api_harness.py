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
from agents.policy import ApprovalTerms, Policy, Rule
from agents.state import ThreadState
from agents.tools import ToolContext, ToolResult, tool
from bot.bootstrap import Bot, bootstrap
from bot.environment.api_tokens import ApiToken
from bot.roster import Roster
from bot.web.app import create_app
from bot.web.principal import Credential
from bot.web.streams import StreamRegistry
from channels.registry import channels_by_scheme
from storage.database import Database

WAIT_TIMEOUT_SECONDS = 5.0


def build_person(key: str, *roles: str) -> Person:
    own = (Address(f"email:{key}@example.com"), Address(f"terminal:{key}"), Address(f"web:{key}"))
    return Person(key=key, name=key.title(), roles=roles, addresses=own)


PEOPLE = People(
    members=(
        build_person("alice", "dev"),
        build_person("bob", "release"),
        build_person("carol", "release", "admin"),
        build_person("dan"),
    )
)


def _prepare_push(context: ToolContext, tag: str, note: str) -> dict[str, str]:
    if tag == "v0":
        raise ToolError("there is no tag v0")
    return {"tag": tag, "note": note}


@tool(effect="idempotent", risk="high", ask=ApprovalTerms(roles=("release",)), prepare=_prepare_push)
def push(context: ToolContext, tag: str, note: str = "") -> ToolResult:
    """Push a tag."""
    return ToolResult(summary=f"pushed {tag}", data={"tag": tag})


@tool(effect="read")
def look(context: ToolContext) -> ToolResult:
    """Look around."""
    return ToolResult(summary="all is well")


def command(say: str, **step: Any) -> Command:
    return Command(say=(say,), does=say, step=step)


PORTER = Agent(
    name="porter",
    purpose="Pushes tags.",
    instructions="Push.",
    tools=(push, look),
    commands=Commands(
        commands=(
            command("push {tag}", intent="push", tag="{tag}"),
            command("look", intent="look"),
            command("ask", intent="request_human_input", question="Why?"),
            command(
                "choose", intent="request_human_input", question="Which?", format="multiple_choice", choices=["a", "b"]
            ),
            command("nap", intent="await", seconds=3600, reason="tired"),
        )
    ),
    budget=Budget(steps=50),
)
GUARD = Agent(name="guard", purpose="Guards.", instructions="Guard.", tools=(look,))
RULES = (
    Rule(name="two for gold", tool="push", when={"tag": "gold"}, ask=ApprovalTerms(roles=("release",), quorum=2)),
    Rule(
        name="another for silver",
        tool="push",
        when={"tag": "silver"},
        ask=ApprovalTerms(roles=("release",), editor_may_approve=False),
    ),
    Rule(name="never lead", tool="push", when={"tag": "lead"}, deny="lead is poison"),
)
CREDENTIALS = (
    Credential(ApiToken(name="alice-cli", secret=SecretStr("secret-alice"), person="alice")),
    Credential(ApiToken(name="bob-cli", secret=SecretStr("secret-bob"), person="bob")),
    Credential(ApiToken(name="carol-cli", secret=SecretStr("secret-carol"), person="carol")),
    Credential(ApiToken(name="generated", secret=SecretStr("secret-local"), person="you"), is_admin=True),
    Credential(ApiToken(name="ci", secret=SecretStr("secret-ci"))),
    Credential(ApiToken(name="dan", secret=SecretStr("secret-namesake"))),
    Credential(ApiToken(name="dan-cli", secret=SecretStr("secret-dan-cli"), person="dan")),
)


@dataclass
class ApiHarness:
    """The application, and clients for whoever holds a token."""

    bot: Bot
    app: FastAPI
    streams: StreamRegistry
    clients: list[AsyncClient] = field(default_factory=list)

    def client(self, owner: str | None = "alice") -> AsyncClient:
        headers = {} if owner is None else {"Authorization": f"Bearer secret-{owner}"}
        client = AsyncClient(transport=ASGITransport(self.app), base_url="http://handrail", headers=headers)
        self.clients.append(client)
        return client

    async def wait_until(self, thread_id: str, condition: Callable[[ThreadState], bool]) -> ThreadState:
        """The state of a thread as soon as it is as wanted."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            with self.bot.engine.subscribe(thread_id) as bell:
                while not condition(state := await self.bot.engine.load(thread_id)):
                    await bell.wait()
                    bell.clear()
        return state

    async def start_thread(self, message: str = "look", owner: str = "alice", **more: Any) -> str:
        """A new thread that has come to rest: its id."""
        told = await self.client(owner).post("/v1/threads", json={"message": message, **more})
        assert told.status_code == 201, told.text
        thread_id: str = told.json()["id"]
        await self.wait_until(thread_id, is_settled)
        return thread_id

    async def open_request(self, message: str = "push v1", owner: str = "alice", **more: Any) -> dict[str, Any]:
        """The request that a message leads to, once its card is shown."""
        return await self.wait_for_request(await self.start_thread(message, owner, **more), owner)

    async def wait_for_request(self, thread_id: str, owner: str = "alice") -> dict[str, Any]:
        """The request that is open in a thread, once its card is shown."""
        state = await self.wait_until(thread_id, lambda state: bool(state.open_request and state.open_request.cards))
        assert state.open_request is not None
        told = await self.client(owner).get(f"/v1/requests/{state.open_request.id}")
        return dict(told.json())

    async def answer_request(self, request: dict[str, Any], owner: str, **body: Any) -> Response:
        return await self.client(owner).post(f"/v1/requests/{request['id']}/answer", json=body)


def is_settled(state: ThreadState) -> bool:
    return state.status != "running" and not state.pending_messages


@asynccontextmanager
async def running_api(url: str, streams: StreamRegistry | None = None) -> AsyncIterator[ApiHarness]:
    streams = streams or StreamRegistry()
    roster = Roster(agents={"porter": PORTER, "guard": GUARD}, policy=Policy(rules=RULES, people=PEOPLE))
    bot = bootstrap(Database.open(url), roster, CommandModel(), channels_by_scheme())
    surface = ApiHarness(bot, create_app(bot, CREDENTIALS, streams=streams), streams)
    await bot.start()
    try:
        yield surface
    finally:
        for client in surface.clients:
            await client.aclose()
        await bot.stop()
