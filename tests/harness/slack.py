"""Test harness: a fake Slack with people and a complete bot, over HTTP or Socket Mode, with real storage."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import pytest
from pydantic import SecretStr

from agents.core.agent import Agent
from agents.core.people import People
from agents.core.policy import Policy, Rule
from agents.core.tools import Tool
from agents.llm.base import Model
from bot.api.app import build_channel_routes, create_app
from bot.api.server import Server, open_listen_socket
from bot.channel_host import BotRuntime, ChannelHost
from bot.services.roster import Roster
from channels.base import Plugin
from channels.slack.config import SlackSettings
from channels.slack.manifest import EVENTS_PATH
from channels.slack.plugin import SlackClock, build_plugin
from storage.database.database import Database
from storage.database.sqlite import sqlite_path
from tests.bot.conftest import BOT_SETUPS
from tests.fakes.clock import FakeClock
from tests.fakes.slack.person import Person as Teammate
from tests.fakes.slack.slack import FakeSlack, fake_slack
from tests.harness.bot import BotHarness
from tests.harness.channels import channels_by_scheme
from tests.harness.people import SLACK_PEOPLE, SLACK_USERS
from tests.harness.tools import ToolCallRecorder, build_tools
from tests.slow_cases import slow

OPS = "C0OPS"
Transport = Literal["http", "socket"]
SECRET_KEY = "the-key-of-the-tests-which-is-long-enough"
on_every_setup = pytest.mark.parametrize(
    "bot_setup",
    [pytest.param(setup, id=name, marks=slow if name == "postgresql" else ()) for name, setup in BOT_SETUPS.items()],
)
"""Parametrization of a test for which database and job queue matter.

The test runs with SQLite, with PostgreSQL and its job queue, and with `--all` also with PostgreSQL without the queue.
"""


@dataclass
class SlackHarness:
    """Running bot in a fake Slack with four people. Eve is in the workspace but not in the configuration."""

    slack: FakeSlack
    bot_harness: BotHarness
    alice: Teammate
    bob: Teammate
    carol: Teammate
    eve: Teammate
    url: str

    async def thread_id_for(self, root: Any) -> str:
        """Return the id of the thread that was opened by a message."""
        commits = [c for c in self.bot_harness.commits if c.after.origin == f"slack:{root.channel}:{root.ts}"]
        return commits[-1].after.thread_id

    async def event_types(self, root: Any) -> list[str]:
        return await self.bot_harness.event_types(await self.thread_id_for(root))

    async def advance_clock(self, **amount: float) -> None:
        """Advance the clock, with no request in progress."""
        await self.slack.advance_clock(**amount)


@asynccontextmanager
async def running_slack_bot(
    run_bot: Callable[..., AbstractAsyncContextManager[BotHarness]],
    database: Database,
    model: Model | None = None,
    *,
    transport: Transport = "http",
    **settings: Any,
) -> AsyncIterator[SlackHarness]:
    """Run a bot in a new fake Slack; `settings` are those of `slack_bot_in`."""
    async with (
        fake_slack(FakeClock(), socket_mode=transport == "socket") as slack,
        slack_bot_in(slack, run_bot, database, model, transport=transport, **settings) as harness,
    ):
        yield harness


@asynccontextmanager
async def slack_bot_in(
    slack: FakeSlack,
    run_bot: Callable[..., AbstractAsyncContextManager[BotHarness]],
    database: Database,
    model: Model | None = None,
    *,
    transport: Transport = "http",
    tool_call_recorder: ToolCallRecorder | None = None,
    rules: tuple[Rule, ...] = (),
    id_prefix: str = "a",
    tools: tuple[Tool, ...] = (),
    other_agents: tuple[Agent, ...] = (),
    other_plugins: Mapping[str, Plugin] | None = None,
    people: People = SLACK_PEOPLE,
    **agent: Any,
) -> AsyncIterator[SlackHarness]:
    """Run a bot in an existing fake Slack. Its agent has `tools` in addition to those of `build_tools`.

    `other_plugins` are those of channels beside Slack.
    """
    clock, tool_call_recorder = slack.workspace.clock, tool_call_recorder or ToolCallRecorder()
    all_tools = (*build_tools(tool_call_recorder), *tools)
    helper = Agent(name="helper", purpose="helps", instructions="Help.", tools=all_tools, **agent)
    roster = Roster({agent.name: agent for agent in (helper, *other_agents)}, Policy(rules=rules, people=people))
    plugin = _build_plugin(slack, transport)
    assert plugin.channel is not None
    channels = {**channels_by_scheme(), plugin.channel.scheme: plugin.channel}
    async with run_bot(
        database,
        model,
        clock=clock,
        tool_call_recorder=tool_call_recorder,
        channels=channels,
        plugins=other_plugins,
        roster=roster,
        id_prefix=id_prefix,
    ) as bot_harness:
        if plugin.close is not None:
            bot_harness.bot.closers.append(plugin.close)
        async with _serve(bot_harness, plugin, slack, transport) as url:
            yield SlackHarness(slack, bot_harness, *_add_people(slack), url)


@asynccontextmanager
async def locked_database(bot_harness: BotHarness) -> AsyncIterator[None]:
    """Hold a write lock on the SQLite file from another connection; the bot's writes fail without waiting."""
    database = bot_harness.bot.engine.database
    await database.transaction(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout=0") and None)
    with closing(sqlite3.connect(sqlite_path(database.url), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def _build_plugin(slack: FakeSlack, transport: Transport) -> Plugin:
    app, clock = slack.app, slack.workspace.clock
    settings = SlackSettings(
        secret_key=SecretStr(SECRET_KEY),
        slack_bot_token=SecretStr(app.bot_token),
        slack_api_url=slack.base_url,
        slack_signing_secret=SecretStr(app.signing_secret) if transport == "http" else None,
        slack_app_token=SecretStr(app.app_token) if transport == "socket" else None,
    )

    async def sleep(seconds: float) -> None:
        await clock.sleep(clock.now() + timedelta(seconds=seconds), asyncio.Event())

    return build_plugin(settings, clock=SlackClock(clock.now, clock.monotonic, sleep))


@asynccontextmanager
async def _serve(bot_harness: BotHarness, plugin: Plugin, slack: FakeSlack, transport: Transport) -> AsyncIterator[str]:
    """Serve the bot's endpoint, over HTTP or Socket Mode, and yield its URL."""
    host = ChannelHost({"slack": plugin}, BotRuntime(bot_harness.bot))
    listen_socket = open_listen_socket("127.0.0.1", 0)
    server = Server(
        create_app(bot_harness.bot, [], channel_routes=tuple(build_channel_routes(host.plugins, host.runtime)))
    )
    serving = asyncio.create_task(server.serve(sockets=[listen_socket]))
    url = f"http://127.0.0.1:{listen_socket.getsockname()[1]}{EVENTS_PATH}"
    await host.start()
    if transport == "http":
        slack.set_bot_url(url)
    else:
        await slack.wait_for_connections(slack.socket.connections_opened + 1)
    try:
        yield url
        await slack.wait_until_quiet()
    finally:
        slack.set_bot_url(None)
        server.should_exit = True
        await serving
        await host.stop()


def _add_people(slack: FakeSlack) -> list[Teammate]:
    return [slack.add_person(name, user) for name, user in SLACK_USERS.items()]
