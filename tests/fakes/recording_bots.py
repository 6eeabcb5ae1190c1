"""Bots that record the requests of the fake Slack: one over HTTP, one over Socket Mode."""

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
from tests.fakes.slack.condition import Condition
from tests.fakes.slack.slack import FakeSlack


@dataclass
class ReceivedRequest:
    """One request to the bot."""

    headers: dict[str, str]
    raw_body: bytes
    body: Any
    is_verified: bool

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = self.body.get("event", {})
        return event


@dataclass
class RecordingBot:
    """Bot that records requests and sends the response that the test chooses. `slack` is its Web API client."""

    slack: AsyncWebClient
    verifier: SignatureVerifier
    url: str = ""
    received: list[ReceivedRequest] = field(default_factory=list)
    respond: Callable[[ReceivedRequest], web.Response] = lambda _: web.Response()
    condition: Condition = field(default_factory=Condition)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    """The bot does not respond while this is not set."""

    def __post_init__(self) -> None:
        self.may_answer.set()

    async def handle(self, request: web.Request) -> web.Response:
        raw = await request.read()
        body = _parse_body(request.content_type, raw)
        self.received.append(ReceivedRequest(dict(request.headers), raw, body, self._is_verified(raw, request)))
        self.condition.notify_all()
        await self.may_answer.wait()
        return self.respond(self.received[-1])

    async def wait_for_requests(self, count: int) -> None:
        await self.condition.wait_until(
            lambda: len(self.received) >= count or None, lambda: f"the bot received only {self.event_types()}"
        )

    def event_types(self) -> list[str]:
        return [":".join(filter(None, (r.event.get("type"), r.event.get("subtype")))) for r in self.received]

    def _is_verified(self, raw: bytes, request: web.Request) -> bool:
        return self.verifier.is_valid_request(raw, dict(request.headers))


class _VerifierClock(Clock):
    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.monotonic()


def _parse_body(content_type: str, raw: bytes) -> Any:
    if content_type == "application/json":
        return json.loads(raw)
    form = {name: values[0] for name, values in parse_qs(raw.decode()).items()}
    return json.loads(form["payload"]) if "payload" in form else form


def web_client(slack: FakeSlack, token: str | None = None) -> AsyncWebClient:
    return AsyncWebClient(token=token or slack.app.bot_token, base_url=slack.base_url, retry_handlers=[])


async def expect_api_error(slack: FakeSlack, call: Any, error: str, method: str = "chat.postMessage") -> list[str]:
    """Expect a call to fail with this error and return the messages of Slack's response."""
    with pytest.raises(SlackApiError) as caught:
        await call
    assert caught.value.response["error"] == error
    slack.assert_error_occurred(method, error)
    messages: list[str] = caught.value.response.get("errors", [])
    return messages


@asynccontextmanager
async def recording_bot(slack: FakeSlack) -> AsyncIterator[RecordingBot]:
    verifier = SignatureVerifier(slack.app.signing_secret, _VerifierClock(slack.workspace.clock))
    bot = RecordingBot(web_client(slack), verifier)
    application = web.Application()
    application.router.add_post("/channels/slack", bot.handle)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    bot.url = "http://{}:{}/channels/slack".format(*runner.addresses[0])
    slack.set_bot_url(bot.url)
    try:
        yield bot
        await slack.wait_until_quiet()
    finally:
        await runner.cleanup()


@dataclass
class RecordingSocketBot:
    """Bot on Socket Mode that records requests and acknowledges them with the payload that the test chooses."""

    client: SocketModeClient
    received: list[SocketModeRequest] = field(default_factory=list)
    payload: dict[str, Any] | None = None
    is_silent: bool = False
    condition: Condition = field(default_factory=Condition)

    async def handle(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        self.received.append(request)
        self.condition.notify_all()
        if not self.is_silent:
            payload = self.payload if request.accepts_response_payload else None
            await client.send_socket_mode_response(SocketModeResponse(request.envelope_id, payload))

    async def wait_for_requests(self, count: int) -> None:
        await self.condition.wait_until(
            lambda: len(self.received) >= count or None, lambda: f"the bot received only {self.received}"
        )
