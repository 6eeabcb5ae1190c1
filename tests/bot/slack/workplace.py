"""A team in the fake Slack, and a whole bot among them: real HTTP or Socket Mode, real storage, the test's clock."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from pydantic import SecretStr

from agents.addresses import Address
from agents.agent import Agent
from agents.model import Model
from agents.people import People, Person
from agents.policy import Policy, Rule
from agents.tools import Tool
from bot.ids import Chance
from bot.roster import Roster
from bot.slack.wiring import SlackAccount, slack_channel
from bot.web.app import create_app
from bot.web.server import Server, listener
from bot.web.ways_in import slack_ways_in
from channels.registry import CHANNELS, by_scheme
from channels.slack.manifest import EVENTS_PATH
from storage.database import Database
from storage.sqlite import sqlite_path
from tests.bot.conftest import SET_UPS
from tests.fakes.clock import FakeClock
from tests.fakes.slack.person import Person as Teammate
from tests.fakes.slack.slack import FakeSlack, fake_slack
from tests.houses import House, Workshop, tools_of

OPS = "C0OPS"
Transport = Literal["http", "socket"]
PEOPLE = People(
    everybody=(
        Person(key="alice", name="Alice Ng", addresses=(Address("slack:U0ALICE"),)),
        Person(key="bob", name="Bob Ito", roles=("release",), addresses=(Address("slack:T0TEAM/U0BOB"),)),
        Person(key="carol", name="Carol Diaz", roles=("release",), addresses=(Address("slack:U0CAROL"),)),
    )
)
KEY = b"the-key-of-the-tests-which-is-long-enough"
everywhere = pytest.mark.parametrize("set_up", SET_UPS.values(), ids=SET_UPS)
"""For stories that are told on each database, and on the job queue."""


@dataclass
class Workplace:
    """Where a story takes place. Eve is in the workspace, and nobody to us."""

    slack: FakeSlack
    home: House
    alice: Teammate
    bob: Teammate
    carol: Teammate
    eve: Teammate
    url: str

    async def thread_of(self, root: Any) -> str:
        """The thread that was opened at a message."""
        commits = [c for c in self.home.commits if c.after.origin == f"slack:{root.channel}:{root.ts}"]
        return commits[-1].after.thread_id

    async def story(self, root: Any) -> list[str]:
        return await self.home.story(await self.thread_of(root))

    async def later(self, **amount: float) -> None:
        """Time goes by; nothing is on its way meanwhile."""
        await self.slack.later(**amount)


@asynccontextmanager
async def workplace(
    open_house: Callable[..., AbstractAsyncContextManager[House]],
    database: Database,
    model: Model | None = None,
    *,
    transport: Transport = "http",
    **more: Any,
) -> AsyncIterator[Workplace]:
    """A team, and a bot from its start to its end; `more` is what `bot_among` takes."""
    async with (
        fake_slack(FakeClock(), socket_mode=transport == "socket") as slack,
        bot_among(slack, open_house, database, model, transport=transport, **more) as work,
    ):
        yield work


@asynccontextmanager
async def bot_among(
    slack: FakeSlack,
    open_house: Callable[..., AbstractAsyncContextManager[House]],
    database: Database,
    model: Model | None = None,
    *,
    transport: Transport = "http",
    workshop: Workshop | None = None,
    rules: tuple[Rule, ...] = (),
    run: str = "a",
    tools: tuple[Tool, ...] = (),
    others: tuple[Agent, ...] = (),
    **agent: Any,
) -> AsyncIterator[Workplace]:
    """A bot in a team that is there before it, and after. The helper has these `tools` beside those of the workshop."""
    clock, workshop = slack.workspace.clock, workshop or Workshop()
    hands = (*tools_of(workshop), *tools)
    helper = Agent(name="helper", purpose="helps", instructions="Help.", tools=hands, **agent)
    roster = Roster({agent.name: agent for agent in (helper, *others)}, Policy(rules=rules, people=PEOPLE))
    account = _account(slack, transport)
    channel = slack_channel(account, Chance(now=clock.now, elapsed=clock.elapsed), clock.sleep)
    channels = by_scheme((*CHANNELS, channel))
    async with open_house(
        database, model, clock=clock, workshop=workshop, channels=channels, roster=roster, run=run
    ) as home:
        home.bot.closers.append(channel.close)
        async with _served(home, account, slack, transport) as url:
            yield Workplace(slack, home, *_team(slack), url)


@asynccontextmanager
async def nobody_writes(home: House) -> AsyncIterator[None]:
    """Somebody else holds the file of SQLite, and nobody waits for it."""
    database = home.bot.engine.database
    await database.run(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout=0") and None)
    with closing(sqlite3.connect(sqlite_path(database.url), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def _account(slack: FakeSlack, transport: Transport) -> SlackAccount:
    app = slack.app
    return SlackAccount(
        bot_token=SecretStr(app.bot_token),
        api_url=slack.base_url,
        key=KEY,
        signing_secrets=(app.signing_secret,) if transport == "http" else (),
        app_token=SecretStr(app.app_token) if transport == "socket" else None,
    )


@asynccontextmanager
async def _served(home: House, account: SlackAccount, slack: FakeSlack, transport: Transport) -> AsyncIterator[str]:
    """The bot's ways in, open."""
    ways_in = slack_ways_in(account, home.bot, home.clock.sleep)
    door = listener("127.0.0.1", 0)
    server = Server(create_app(home.bot, [], doors=ways_in.routes))
    serving = asyncio.create_task(server.serve(sockets=[door]))
    url = f"http://127.0.0.1:{door.getsockname()[1]}{EVENTS_PATH}"
    ways_in.start()
    if transport == "http":
        slack.finds_the_bot_at(url)
    else:
        await slack.connected(slack.socket.opened + 1)
    try:
        yield url
        await slack.quiet()
    finally:
        slack.finds_the_bot_at(None)
        server.should_exit = True
        await serving
        await ways_in.stop()


def _team(slack: FakeSlack) -> list[Teammate]:
    names = {"alice": "U0ALICE", "bob": "U0BOB", "carol": "U0CAROL", "eve": "U0EVE"}
    return [slack.person(name, user) for name, user in names.items()]
