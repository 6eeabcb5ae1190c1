"""The bot's identity is fetched once with `auth.test` and then cached."""

import asyncio
from types import SimpleNamespace
from typing import Any

from channels.slack.background_tasks import BackgroundTasks
from channels.slack.client import SlackClient
from channels.slack.identity import BotIdentityCache
from channels.slack.inbound_events import BotIdentity
from tests.channels.slack.slack_client import slack_client
from tests.fakes.http_server import HttpResponse, running_http_server
from tests.fakes.slack.slack import fake_slack


async def test_auth_test_is_called_once() -> None:
    async with fake_slack() as slack, slack_client(slack) as client:
        cache = BotIdentityCache(client)
        identities = [await cache.get() for _ in range(2)]
    assert identities == [BotIdentity(bot_id="B0BOT", user_id="U0BOT", team="T0TEAM")] * 2
    assert len(slack.calls) == 1


async def test_hanging_auth_test_does_not_delay_payloads_and_is_not_repeated() -> None:
    requests, is_called = [], asyncio.Event()

    def hang(request: object) -> HttpResponse:
        requests.append(request)
        is_called.set()
        return HttpResponse(end="hang")

    authorization = {"team_id": "T0TEAM", "user_id": "U0BOT", "is_bot": True}
    runtime: Any = SimpleNamespace(log=lambda *_, **__: None)
    async with running_http_server(hang) as port:
        client = SlackClient("xoxb-1", f"http://127.0.0.1:{port}/api/", monotonic=lambda: 0.0)
        cache, tasks = BotIdentityCache(client), BackgroundTasks()
        for _ in range(20):
            cache.fetch_in_background(tasks, runtime)
            bot = cache.for_payload({"type": "event_callback", "authorizations": [authorization]})
            assert bot.installation_id == "T0TEAM"
        await is_called.wait()
        await tasks.stop(0)
        await client.close()
    assert len(requests) == 1
