"""To the bot over HTTP: signed, and in the content types Slack uses."""

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
from tests.fakes.slack.parcel import Answer, Parcel

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"


@dataclass
class HttpCarrier:
    """`url` is where the bot listens: it may be told later, and may change when the bot is started anew."""

    app: App
    clock: Clock
    url: str | None = None
    _session: aiohttp.ClientSession = field(default_factory=aiohttp.ClientSession)

    @property
    def is_ready(self) -> bool:
        return self.url is not None

    async def carry(self, parcel: Parcel) -> Answer:
        """Sign it and post it."""
        body, content_type = _written(parcel)
        headers = {"Content-Type": content_type, **self.signature(body), **_repeated(parcel)}
        return await self.post(body, headers)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Exactly this; a test that forges something calls it itself."""
        agent = {"User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)", "Accept": "*/*"}
        try:
            async with self._session.post(str(self.url), data=body, headers={**agent, **headers}) as response:
                return await _read(response)
        except aiohttp.ClientError:
            return Answer(reason="connection_failed", status=0)

    def signature(self, body: bytes) -> dict[str, str]:
        """The two headers, for the time of the clock."""
        at = str(int(self.clock.now().timestamp()))
        signed = hmac.new(self.app.signing_secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256)
        return {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={signed.hexdigest()}"}

    async def close(self) -> None:
        await self._session.close()


def _written(parcel: Parcel) -> tuple[bytes, str]:
    if parcel.kind == "events_api":
        return json.dumps(parcel.payload).encode(), _JSON
    if parcel.kind == "interactive":
        return urlencode({"payload": json.dumps(parcel.payload)}).encode(), _FORM
    return urlencode(parcel.payload).encode(), _FORM


def _repeated(parcel: Parcel) -> dict[str, str]:
    if not parcel.retry:
        return {}
    return {"X-Slack-Retry-Num": str(parcel.retry), "X-Slack-Retry-Reason": parcel.reason or "unknown_error"}


async def _read(response: aiohttp.ClientResponse) -> Answer:
    text = await response.text()
    body: Any = json.loads(text) if response.content_type == _JSON and text else text
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(body, response.status, headers, None if response.ok else "http_error")
