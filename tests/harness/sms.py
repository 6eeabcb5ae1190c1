"""Test harness: a complete bot with the SMS channel in this process, a fake Twilio, and people with phones.

async with running_sms_bot(running_bot, database, model) as harness:
    await harness.alice.write("ship v1")
    card = await harness.bob.wait_for_sms("ship")
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import SecretStr

from agents.core.agent import Agent
from agents.core.errors import Forbidden, InvalidInput, Retryable
from agents.core.policy import Policy, Rule
from agents.core.requests import Request
from agents.core.state import ThreadState
from agents.llm.base import Model
from bot.channel_host import BotRuntime
from bot.services.answer_links import AnswerLinks
from bot.services.roster import Roster
from channels.base import HttpRequest, Plugin
from channels.sms.config import SmsSettings
from channels.sms.plugin import build_plugin
from storage.database.database import Database
from storage.requests import list_requests
from tests.fakes.clock import FakeClock
from tests.fakes.http_server import running_http_server
from tests.fakes.twilio.account import FakeTwilio, TwilioMessage
from tests.fakes.twilio.phones import Phone, Webhooks
from tests.harness.bot import BotHarness
from tests.harness.people import PHONE_NUMBERS, SMS_PEOPLE
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS
from tests.harness.tools import ToolCallRecorder, build_tools

SECRET_KEY = "the-key-of-the-tests-which-is-long-enough"
PUBLIC_URL = "https://rail.handrail.test"
STRANGER_NUMBER = "+15550001666"


@dataclass
class SmsHarness:
    """Running bot with the SMS channel, and the people who write to it. Eve's number is not configured."""

    twilio: FakeTwilio
    webhooks: Webhooks
    bot: BotHarness
    plugin: Plugin
    phones: Mapping[str, Phone]

    @property
    def alice(self) -> Phone:
        return self.phones["alice"]

    @property
    def bob(self) -> Phone:
        return self.phones["bob"]

    @property
    def carol(self) -> Phone:
        return self.phones["carol"]

    @property
    def eve(self) -> Phone:
        return self.phones["eve"]

    @property
    def runtime(self) -> BotRuntime:
        return BotRuntime(self.bot.bot)

    async def requests(self) -> list[Request]:
        """Return all requests, the newest first."""
        read = partial(list_requests, status=None, thread_id=None, before=None, limit=50)
        return list(await self.bot.bot.engine.database.read(read))

    async def request(self, code: str) -> Request:
        """Return the request with this code."""
        return await self.bot.bot.approvals.find_request(code)

    async def wait_for_status(self, code: str, status: str) -> Request:
        """Advance the clock until the request with this code has a status."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while (request := await self.request(code)).status != status:
                await asyncio.to_thread(lambda: None)
                self.bot.clock.advance(seconds=0.05)
        return request

    async def wait_for_thread(self) -> str:
        """Wait until there is a thread, and return the id of the one that changed last."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while not self.bot.commits:
                await asyncio.to_thread(lambda: None)
        return self.bot.commits[-1].after.thread_id

    async def wait_for_event(self, type_: str) -> Any:
        """Wait until an event of this type was committed, and return the first one."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while (found := self._find_event(type_)) is None:
                await asyncio.to_thread(lambda: None)
        return found

    def _find_event(self, type_: str) -> Any:
        events = (event for commit in self.bot.commits for event in commit.events)
        return next((event for event in events if event.type == type_), None)

    async def wait_until_sending_is_recorded(self, card: TwilioMessage) -> None:
        """Wait until the delivery of the card is recorded, as it is long before its reader can answer."""
        request = await self.request(card.body[:5])

        def is_shown(state: ThreadState) -> bool:
            current = state.get_request(request.id)
            return current is not None and any(one.receipt.ref == card.sid for one in current.cards)

        await self.bot.wait_until(request.thread_id, is_shown)

    async def wait_for_sms(self, phone: Phone, *texts: str) -> TwilioMessage:
        """Advance the clock until a phone gets a message with these texts."""
        waiting = asyncio.create_task(phone.wait_for_sms(*texts))
        while not waiting.done():
            await asyncio.wait((waiting,), timeout=0.05)
            self.bot.clock.advance(seconds=1)
        return await waiting


@asynccontextmanager
async def running_sms_bot(
    run_bot: Callable[..., AbstractAsyncContextManager[BotHarness]],
    database: Database,
    model: Model | None = None,
    *,
    rules: tuple[Rule, ...] = (),
    **settings: Any,
) -> AsyncIterator[SmsHarness]:
    """Run a bot that sends and receives over the fake. `settings` are those of the channel."""
    clock, recorder = FakeClock(), ToolCallRecorder()
    twilio = FakeTwilio(clock.now)
    async with running_http_server(twilio.handle) as port:
        plugin = build_sms_plugin(twilio, clock, port, **settings)
        helper = Agent(name="helper", purpose="helps", instructions="Help.", tools=build_tools(recorder))
        roster = Roster({"helper": helper}, Policy(rules=rules, people=SMS_PEOPLE))
        links = AnswerLinks(database, SECRET_KEY.encode(), PUBLIC_URL)
        plugins, options = {"sms": plugin}, {"clock": clock, "tool_call_recorder": recorder, "answer_links": links}
        async with run_bot(database, model, plugins=plugins, roster=roster, **options) as bot:
            webhooks = Webhooks(twilio, PUBLIC_URL, partial(post_to_plugin, plugin, bot))
            numbers = {**PHONE_NUMBERS, "eve": STRANGER_NUMBER}
            phones = {key: Phone(number, webhooks) for key, number in numbers.items()}
            yield SmsHarness(twilio, webhooks, bot, plugin, phones)


def build_sms_plugin(twilio: FakeTwilio, clock: FakeClock, port: int, **settings: Any) -> Plugin:
    """Return the plugin of the channel for the fake, whose API is at this port."""
    fields: dict[str, Any] = {
        "secret_key": SecretStr(SECRET_KEY),
        "public_url": PUBLIC_URL,
        "twilio_account_sid": twilio.account_sid,
        "twilio_auth_token": (SecretStr(twilio.auth_token),),
        "twilio_from": twilio.number,
        "twilio_api_url": f"http://127.0.0.1:{port}",
    }
    return build_plugin(SmsSettings(**{**fields, **settings}), now=clock.now)


async def post_to_plugin(plugin: Plugin, bot: BotHarness, path: str, headers: Mapping[str, str], body: bytes) -> int:
    """Give a request to the endpoint of the plugin, and return the status as the application does."""
    url_path, _, query = path.partition("?")
    endpoint = next(one for one in plugin.endpoints if one.path == url_path)
    try:
        response = await endpoint.handle(HttpRequest("POST", url_path, headers, body, query), BotRuntime(bot.bot))
    except Forbidden:
        return 401
    except InvalidInput:
        return 400
    except Retryable:
        return 503
    return response.status
