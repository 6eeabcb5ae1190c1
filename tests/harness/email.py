"""Test harness: a complete bot with the email channel in this process, and people with mailboxes.

async with running_email_bot(running_bot, database, model) as harness:
    await harness.alice.write("ship v1")
    card = await harness.alice.wait_for_mail("ship")
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr

from agents.core.agent import Agent
from agents.core.policy import Policy, Rule
from agents.core.tools import Tool
from agents.llm.base import Model
from bot.channel_host import BotRuntime, ChannelHost
from bot.services.answer_links import AnswerLinks
from bot.services.roster import Roster
from channels.base import Plugin
from channels.email.config import EmailSettings, ListenAddress
from channels.email.listener import MailListener
from channels.email.plugin import build_plugin
from storage.database.database import Database
from tests.fakes.clock import FakeClock
from tests.fakes.email.mail_person import MailPerson
from tests.harness.bot import BotHarness
from tests.harness.email_people import BOT_ADDRESS, MailWorld, mail_world
from tests.harness.people import EMAIL_PEOPLE
from tests.harness.tools import ToolCallRecorder, build_tools

SECRET_KEY = "the-key-of-the-tests-which-is-long-enough"
PUBLIC_URL = "https://rail.handrail.test"


@dataclass
class EmailHarness:
    """Running bot with the email channel, and the people who write to it. Eve is not configured."""

    world: MailWorld
    bot: BotHarness
    _ports: list[int] = field(default_factory=list)

    @property
    def alice(self) -> MailPerson:
        return self.world.alice

    @property
    def bob(self) -> MailPerson:
        return self.world.bob

    @property
    def carol(self) -> MailPerson:
        return self.world.carol

    @property
    def eve(self) -> MailPerson:
        return self.world.eve


@asynccontextmanager
async def running_email_bot(
    run_bot: Callable[..., AbstractAsyncContextManager[BotHarness]],
    database: Database,
    model: Model | None = None,
    *,
    rules: tuple[Rule, ...] = (),
    tools: tuple[Tool, ...] = (),
    outbox: Path | None = None,
    **settings: Any,
) -> AsyncIterator[EmailHarness]:
    """Run a bot that receives mail at a free port. `settings` are those of the channel.

    With `outbox` it writes its mails to files in that folder and sends none.
    """
    clock, recorder, ports = FakeClock(), ToolCallRecorder(), list[int]()
    async with mail_world(lambda: ports[0], clock.now) as world:
        plugin = _build_plugin(world, clock, outbox, settings)
        helper = Agent(name="helper", purpose="helps", instructions="Help.", tools=(*build_tools(recorder), *tools))
        roster = Roster({"helper": helper}, Policy(rules=rules, people=EMAIL_PEOPLE))
        async with (
            run_bot(
                database,
                model,
                clock=clock,
                tool_call_recorder=recorder,
                plugins={"email": plugin},
                roster=roster,
                answer_links=AnswerLinks(database, SECRET_KEY.encode(), PUBLIC_URL),
            ) as bot,
            _receiving(bot, plugin, ports),
        ):
            yield EmailHarness(world, bot, ports)


def _build_plugin(world: MailWorld, clock: FakeClock, outbox: Path | None, settings: dict[str, Any]) -> Plugin:
    fields: dict[str, Any] = {
        "secret_key": SecretStr(SECRET_KEY),
        "public_url": PUBLIC_URL,
        "email_address": BOT_ADDRESS,
        "smtp_listen": ListenAddress(host="127.0.0.1", port=0),
        "smtp_url": None if outbox else SecretStr(f"smtp://127.0.0.1:{world.sink.port}"),
        "dns_resolver": world.dns.address,
    }
    return build_plugin(EmailSettings(**{**fields, **settings}), now=clock.now, outbox=outbox or Path("unused"))


@asynccontextmanager
async def _receiving(bot: BotHarness, plugin: Plugin, ports: list[int]) -> AsyncIterator[None]:
    """Run the listeners, whose first port is appended to `ports`."""
    host = ChannelHost({"email": plugin}, BotRuntime(bot.bot), has_listeners=True)
    await host.start()
    ports.append(cast("MailListener", plugin.listeners[0]).ports[0])
    try:
        yield
    finally:
        await host.stop()
