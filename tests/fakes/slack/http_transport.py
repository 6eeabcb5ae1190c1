"""Transport over HTTP: signed requests in Slack's content types."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp

from tests.fakes.clock import Clock
from tests.fakes.slack.app import App
from tests.fakes.slack.bot_request import BotRequest, BotResponse

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"


@dataclass
class HttpTransport:
    """Posts requests to the bot's `url`, which can be set later and changes when the bot restarts."""

    app: App
    clock: Clock
    url: str | None = None
    _session: aiohttp.ClientSession = field(default_factory=aiohttp.ClientSession)

    @property
    def is_ready(self) -> bool:
        return self.url is not None

    async def deliver(self, request: BotRequest) -> BotResponse:
        """Sign the request and post it."""
        body, content_type = _encode_body(request)
        headers = {"Content-Type": content_type, **self.signature_headers(body), **_retry_headers(request)}
        return await self.post(body, headers)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> BotResponse:
        """Post a body with exactly these headers; tests call this to send forged requests."""
        agent = {"User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)", "Accept": "*/*"}
        try:
            async with self._session.post(str(self.url), data=body, headers={**agent, **headers}) as response:
                return await _read_response(response)
        except aiohttp.ClientError:
            return BotResponse(failure_reason="connection_failed", status=0)

    def signature_headers(self, body: bytes) -> dict[str, str]:
        """Return the timestamp and signature headers, for the clock's time."""
        at = str(int(self.clock.now().timestamp()))
        mac = hmac.new(self.app.signing_secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256)
        return {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={mac.hexdigest()}"}

    async def close(self) -> None:
        await self._session.close()


def _encode_body(request: BotRequest) -> tuple[bytes, str]:
    if request.kind == "events_api":
        return json.dumps(request.payload).encode(), _JSON
    if request.kind == "interactive":
        return urlencode({"payload": json.dumps(request.payload)}).encode(), _FORM
    return urlencode(request.payload).encode(), _FORM


def _retry_headers(request: BotRequest) -> dict[str, str]:
    if not request.retry_number:
        return {}
    return {
        "X-Slack-Retry-Num": str(request.retry_number),
        "X-Slack-Retry-Reason": request.retry_reason or "unknown_error",
    }


async def _read_response(response: aiohttp.ClientResponse) -> BotResponse:
    text = await response.text()
    body: Any = json.loads(text) if response.content_type == _JSON and text else text
    headers = {name.lower(): value for name, value in response.headers.items()}
    return BotResponse(body, response.status, headers, None if response.ok else "http_error")
