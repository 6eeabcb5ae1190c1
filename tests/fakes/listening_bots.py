"""Bots that write down what the fake Slack tells them: one over HTTP, one over Socket Mode."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import Clock, SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.clock import FakeClock
from tests.fakes.slack.bell import Bell
from tests.fakes.slack.slack import FakeSlack


@dataclass
class Heard:
    """One request to the bot."""

    headers: dict[str, str]
    raw: bytes
    body: Any
    verified: bool

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = self.body.get("event", {})
        return event


@dataclass
class Bot:
    """A bot that writes down what it hears, and answers what the test wants; `slack` is how it speaks itself."""

    slack: AsyncWebClient
    verifier: SignatureVerifier
    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    answers: Callable[[Heard], web.Response] = lambda _: web.Response()
    bell: Bell = field(default_factory=Bell)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    """Until it is set the bot does not answer."""

    def __post_init__(self) -> None:
        self.held.set()

    async def hear(self, request: web.Request) -> web.Response:
        raw = await request.read()
        body = _body(request.content_type, raw)
        self.heard.append(Heard(dict(request.headers), raw, body, self._verified(raw, request)))
        self.bell.ring()
        await self.held.wait()
        return self.answers(self.heard[-1])

    async def has_heard(self, times: int) -> None:
        await self.bell.until(lambda: len(self.heard) >= times or None, lambda: f"the bot heard only {self.types()}")

    def types(self) -> list[str]:
        return [":".join(filter(None, (h.event.get("type"), h.event.get("subtype")))) for h in self.heard]

    def _verified(self, raw: bytes, request: web.Request) -> bool:
        return self.verifier.is_valid_request(raw, dict(request.headers))


class _TimeOf(Clock):
    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.elapsed()


def _body(content_type: str, raw: bytes) -> Any:
    if content_type == "application/json":
        return json.loads(raw)
    form = {name: values[0] for name, values in parse_qs(raw.decode()).items()}
    return json.loads(form["payload"]) if "payload" in form else form


def client(slack: FakeSlack, token: str | None = None) -> AsyncWebClient:
    return AsyncWebClient(token=token or slack.app.bot_token, base_url=slack.base_url, retry_handlers=[])


async def refused(slack: FakeSlack, call: Any, error: str, method: str = "chat.postMessage") -> list[str]:
    """Slack's messages about a call that must be refused so."""
    with pytest.raises(SlackApiError) as caught:
        await call
    assert caught.value.response["error"] == error
    slack.refused(method, error)
    messages: list[str] = caught.value.response.get("errors", [])
    return messages


@asynccontextmanager
async def bot_of(slack: FakeSlack) -> AsyncIterator[Bot]:
    verifier = SignatureVerifier(slack.app.signing_secret, _TimeOf(slack.workspace.clock))
    bot = Bot(client(slack), verifier)
    application = web.Application()
    application.router.add_post("/channels/slack", bot.hear)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    bot.url = "http://{}:{}/channels/slack".format(*runner.addresses[0])
    slack.finds_the_bot_at(bot.url)
    try:
        yield bot
        await slack.quiet()
    finally:
        await runner.cleanup()


@dataclass
class SocketBot:
    """A bot on Socket Mode: it acknowledges what it hears, with what the test wants."""

    client: SocketModeClient
    heard: list[SocketModeRequest] = field(default_factory=list)
    payload: dict[str, Any] | None = None
    silent: bool = False
    bell: Bell = field(default_factory=Bell)

    async def hear(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        self.heard.append(request)
        self.bell.ring()
        if not self.silent:
            payload = self.payload if request.accepts_response_payload else None
            await client.send_socket_mode_response(SocketModeResponse(request.envelope_id, payload))

    async def has_heard(self, times: int) -> None:
        await self.bell.until(lambda: len(self.heard) >= times or None, lambda: f"the bot heard only {self.heard}")
