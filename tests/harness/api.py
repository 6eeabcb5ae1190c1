"""Test harness: the REST API in this process, with a real database, two agents, four people and seven tokens."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response
from pydantic import SecretStr

from agents.core.agent import Agent
from agents.core.commands import Command, Commands
from agents.core.completion import Budget
from agents.core.errors import ToolError
from agents.core.people import People, Person
from agents.core.policy import ApprovalTerms, Policy, Rule
from agents.core.state import ThreadState
from agents.core.tools import ToolContext, ToolResult, tool
from agents.core.values import Address
from agents.llm.offline.model import CommandModel
from bot.api.app import create_app
from bot.api.auth import Credential
from bot.api.context import StreamRegistry
from bot.bootstrap import Bot, bootstrap
from bot.config.environment import ApiToken
from bot.services.answer_links import AnswerLinks
from bot.services.roster import Roster
from storage.database.database import Database
from tests.harness import people
from tests.harness.channels import channels_by_scheme
from tests.harness.people import TOKENS, with_addresses, with_roles
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS


def _api_addresses(key: str) -> tuple[str, ...]:
    return f"email:{key}@example.com", f"terminal:{key}", f"web:{key}"


_KNOWN_PEOPLE = with_addresses(
    with_roles(people.PEOPLE, carol=("release", "admin")), **{key: _api_addresses(key) for key in people.PERSON_KEYS}
)
_DAN = Person(key="dan", name="Dan", addresses=tuple(map(Address, _api_addresses("dan"))))
PEOPLE = People(members=(*_KNOWN_PEOPLE.members, _DAN))
"""Alice, Bob, Carol, who is also an admin, and Dan, who has no role."""


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


PORTER_AGENT = Agent(
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
GUARD_AGENT = Agent(name="guard", purpose="Guards.", instructions="Guard.", tools=(look,))
RULES = (
    Rule(name="gold needs two", tool="push", when={"tag": "gold"}, ask=ApprovalTerms(roles=("release",), quorum=2)),
    Rule(
        name="silver needs another approver",
        tool="push",
        when={"tag": "silver"},
        ask=ApprovalTerms(roles=("release",), editor_may_approve=False),
    ),
    Rule(name="no lead", tool="push", when={"tag": "lead"}, deny="lead is poison"),
)
CREDENTIALS = (
    Credential(ApiToken(name="alice-cli", secret=SecretStr(TOKENS["alice"]), person="alice")),
    Credential(ApiToken(name="bob-cli", secret=SecretStr(TOKENS["bob"]), person="bob")),
    Credential(ApiToken(name="carol-cli", secret=SecretStr(TOKENS["carol"]), person="carol")),
    Credential(ApiToken(name="generated", secret=SecretStr("secret-local"), person="you"), is_admin=True),
    Credential(ApiToken(name="ci", secret=SecretStr("secret-ci"))),
    Credential(ApiToken(name="dan", secret=SecretStr("secret-namesake"))),
    Credential(ApiToken(name="dan-cli", secret=SecretStr("secret-dan-cli"), person="dan")),
)


@dataclass
class ApiHarness:
    """The running application. `client` returns an HTTP client with the token `secret-{caller}`."""

    bot: Bot
    app: FastAPI
    streams: StreamRegistry
    clients: list[AsyncClient] = field(default_factory=list)

    def client(self, caller: str | None = "alice") -> AsyncClient:
        headers = {} if caller is None else {"Authorization": f"Bearer secret-{caller}"}
        client = AsyncClient(transport=ASGITransport(self.app), base_url="http://handrail", headers=headers)
        self.clients.append(client)
        return client

    async def wait_until(self, thread_id: str, condition: Callable[[ThreadState], bool]) -> ThreadState:
        """Return the state of a thread as soon as it meets a condition."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            with self.bot.engine.subscribe(thread_id) as wake_event:
                while not condition(state := await self.bot.engine.load(thread_id)):
                    await wake_event.wait()
                    wake_event.clear()
        return state

    async def start_thread(self, message: str = "look", caller: str = "alice", **fields: Any) -> str:
        """Start a thread, wait until it is at rest and return its id."""
        response = await self.client(caller).post("/v1/threads", json={"message": message, **fields})
        assert response.status_code == 201, response.text
        thread_id: str = response.json()["id"]
        await self.wait_until(thread_id, is_at_rest)
        return thread_id

    async def open_request(self, message: str = "push v1", caller: str = "alice", **fields: Any) -> dict[str, Any]:
        """Return the request that a message leads to, once its card is shown."""
        return await self.wait_for_request(await self.start_thread(message, caller, **fields), caller)

    async def wait_for_request(self, thread_id: str, caller: str = "alice") -> dict[str, Any]:
        """Return the open request of a thread, once its card is shown."""
        state = await self.wait_until(thread_id, lambda state: bool(state.open_request and state.open_request.cards))
        assert state.open_request is not None
        response = await self.client(caller).get(f"/v1/requests/{state.open_request.id}")
        return dict(response.json())

    async def answer_request(self, request: dict[str, Any], caller: str, **body: Any) -> Response:
        return await self.client(caller).post(f"/v1/requests/{request['id']}/answer", json=body)


def is_at_rest(state: ThreadState) -> bool:
    return state.status != "running" and not state.pending_messages


@asynccontextmanager
async def running_api(url: str, streams: StreamRegistry | None = None) -> AsyncIterator[ApiHarness]:
    streams = streams or StreamRegistry()
    roster = Roster(agents={"porter": PORTER_AGENT, "guard": GUARD_AGENT}, policy=Policy(rules=RULES, people=PEOPLE))
    database = Database.open(url)
    links = AnswerLinks(database, b"signing key", "http://handrail")
    bot = bootstrap(database, roster, CommandModel(), channels_by_scheme(), answer_links=links)
    harness = ApiHarness(bot, create_app(bot, CREDENTIALS, streams=streams), streams)
    await bot.start()
    try:
        yield harness
    finally:
        for client in harness.clients:
            await client.aclose()
        await bot.stop()
