"""What the server says of itself to a caller: the agents that work here, who the caller is, what cannot go on."""

from fastapi import APIRouter

from agents.addresses import Address
from agents.frozen import FrozenModel
from bot.environment.api_tokens import TokenScope
from bot.web.context import Context
from bot.web.error_responses import error_responses
from bot.web.principal import Caller
from bot.web.rights import require_scope
from storage.thread_scan import ThreadScan, scan_database

router = APIRouter(tags=["about"])


class AgentView(FrozenModel):
    """An agent, and what it is for."""

    name: str
    purpose: str


class AgentList(FrozenModel):
    """The agents; the first is the one that is asked when none is named."""

    agents: tuple[AgentView, ...]


class CallerView(FrozenModel):
    """The caller: the token, and the person it speaks for. `name` is null when the configuration knows none."""

    token: str
    address: Address
    name: str | None
    roles: tuple[str, ...]
    scopes: tuple[TokenScope, ...]


@router.get("/agents", responses=error_responses(403), dependencies=[require_scope("read")])
async def list_agents(context: Context) -> AgentList:
    """The agents that work here."""
    agents = context.bot.roster.agents.values()
    return AgentList(agents=tuple(AgentView(name=one.name, purpose=one.purpose) for one in agents))


@router.get("/me", responses=error_responses(403), dependencies=[require_scope("read")])
async def show_caller(caller: Caller) -> CallerView:
    """The person or program that the token belongs to."""
    person = caller.person
    return CallerView(
        token=caller.token_name,
        address=caller.address,
        name=person.name if person else None,
        roles=person.roles if person else (),
        scopes=caller.scopes,
    )


@router.get("/doctor", responses=error_responses(403), dependencies=[require_scope("admin")])
async def scan_threads(here: Context) -> ThreadScan:
    """The newest threads that cannot go on here: this version cannot read them, or their agent is missing."""
    return await scan_database(here.bot.engine.database, here.bot.roster.agents)
