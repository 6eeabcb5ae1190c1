"""Slack's Web API: each call once. Whether it is made again is for the outbox to say.

The SDK itself tries again after a lost connection, and so posts twice: its handlers for that are left out.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from agents.errors import Doubtful, HandrailError, Unreachable
from channels.slack.failures import failure

SECONDS = 10.0
"""For one call, from beginning to end."""

MOST_AT_ONCE = 8

_FORM_ONLY = frozenset({"chat.getPermalink", "conversations.history", "conversations.replies", "users.info"})
"""What is sent to these as JSON counts as not sent (their content types under docs.slack.dev/reference/methods)."""


@dataclass(frozen=True)
class Answer:
    """What Slack said. `headers` have their names in lower case."""

    data: dict[str, Any]
    headers: Mapping[str, str]


@dataclass
class SlackClient:
    """One workspace's app, by its bot token. A method Slack wants left alone is not called before its time.

    `elapsed` is seconds since some time long ago. `tls` verifies Slack; None stands for what Python itself takes.
    """

    token: str
    base_url: str = "https://slack.com/api/"
    seconds: float = SECONDS
    elapsed: Callable[[], float] = time.monotonic
    proxy: str | None = None
    tls: ssl.SSLContext | None = None
    _session: aiohttp.ClientSession | None = None
    _pauses: dict[str, float] = field(default_factory=dict)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_AT_ONCE))

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """What Slack answers. Raises what `failure` makes of a refusal, Unreachable, and Doubtful."""
        return (await self.answer(method, **arguments)).data

    async def answer(self, method: str, **arguments: Any) -> Answer:
        """The same with the headers, for those who need them too."""
        in_form, as_json = (arguments, None) if method in _FORM_ONLY else (None, arguments)
        async with self._slots:
            self._respect_pause(method)
            try:
                async with asyncio.timeout(self.seconds):
                    response = await self._web().api_call(method, params=in_form, json=as_json)
            except SlackApiError as error:
                raise self._refused(method, _refusal(error)) from error
            except aiohttp.ClientConnectorError as error:
                raise Unreachable("Slack does not answer; it is tried again") from error
            except (aiohttp.ClientError, SlackClientError, OSError, TimeoutError) as error:
                raise Doubtful from error
        data = response.data if isinstance(response.data, dict) else {}
        return Answer(data, {name.lower(): value for name, value in response.headers.items()})

    async def respond(self, url: str, text: str) -> None:
        """A private note by the address Slack gave us for it, where the app may not be in the channel.

        Raises Unreachable (docs.slack.dev/interactivity/handling-user-interaction#message_responses).
        """
        note = {"response_type": "ephemeral", "replace_original": False, "text": text}
        try:
            async with asyncio.timeout(self.seconds):
                async with self._connected().post(url, json=note, proxy=self.proxy, ssl=self.tls or True):
                    pass
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable("Slack does not take a note") from error

    async def close(self) -> None:
        """Give up the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    def _web(self) -> AsyncWebClient:
        timeout = round(self.seconds) + 1
        session = self._connected()
        web = AsyncWebClient(
            self.token, self.base_url, timeout=timeout, retry_handlers=[], session=session, ssl=self.tls
        )
        web.proxy = self.proxy  # without one, the SDK has taken what the environment says, for any host
        return web

    def _respect_pause(self, method: str) -> None:
        rest = self._pauses.get(method, 0.0) - self.elapsed()
        if rest > 0:
            raise Unreachable("Slack wants to be left alone for a while", retry_after=rest)

    def _refused(self, method: str, error: HandrailError) -> HandrailError:
        if isinstance(error, Unreachable) and error.retry_after:
            self._pauses[method] = self.elapsed() + error.retry_after
        return error


def _refusal(error: SlackApiError) -> HandrailError:
    response = error.response
    if isinstance(response, AsyncSlackResponse):
        said = response.get("error") if isinstance(response.data, dict) else None
        return failure(str(said or ""), status=response.status_code, headers=response.headers)
    return failure("", status=response.status, headers=response.headers)  # aiohttp's own, of a body that is no JSON
