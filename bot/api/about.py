"""Routes about the server: its agents, the caller, and threads that cannot continue."""

from fastapi import APIRouter

from agents.core.values import Address, FrozenModel
from bot.api.auth import Caller, require_scope
from bot.api.context import Context
from bot.api.errors import error_responses
from bot.config.environment import TokenScope
from storage.contacts import Contacts, load_contacts
from storage.raw_inputs import load_quarantine
from storage.replay import ServerScan, scan_database

router = APIRouter(tags=["about"])


class AgentView(FrozenModel):
    """An agent and its purpose."""

    name: str
    purpose: str


class AgentList(FrozenModel):
    """The agents of this server. The first one is used for a new thread that names none."""

    agents: tuple[AgentView, ...]


class CallerView(FrozenModel):
    """The caller: a token and the person it belongs to.

    `token` is the token's name, not its secret. `name` is null for a program and for an unknown person.
    """

    token: str
    address: Address
    name: str | None
    roles: tuple[str, ...]
    scopes: tuple[TokenScope, ...]


@router.get("/agents", responses=error_responses(403), dependencies=[require_scope("read")])
async def list_agents(context: Context) -> AgentList:
    """List the agents of this server."""
    agents = context.bot.roster.agents.values()
    return AgentList(agents=tuple(AgentView(name=agent.name, purpose=agent.purpose) for agent in agents))


@router.get("/me", responses=error_responses(403), dependencies=[require_scope("read")])
async def show_caller(caller: Caller) -> CallerView:
    """Show the person or program that your token belongs to."""
    person = caller.person
    return CallerView(
        token=caller.token_name,
        address=caller.address,
        name=person.name if person else None,
        roles=person.roles if person else (),
        scopes=caller.scopes,
    )


@router.get("/doctor", responses=error_responses(403), dependencies=[require_scope("admin")])
async def scan_threads(context: Context) -> ServerScan:
    """Count the newest threads that cannot continue and the inputs that could not be processed, and name some of them.

    Among the newest 5,000, count those that this version cannot read and those whose agent is missing, and name at
    most five of each. At most 20 inputs are named, the newest.
    """
    database = context.bot.engine.database
    scan = await scan_database(database, context.bot.roster.agents)
    quarantine, contacts = await database.read(load_quarantine), await database.read(load_contacts)
    return ServerScan(**dict(scan), quarantine=quarantine, contacts=contacts)


@router.get("/contacts", responses=error_responses(403), dependencies=[require_scope("admin")])
async def list_contacts(context: Context) -> Contacts:
    """List the addresses that take no more messages, and the senders whom `handrail.toml` does not name.

    At most 200 of each are listed, the newest first.
    """
    return await context.bot.engine.database.read(load_contacts)
