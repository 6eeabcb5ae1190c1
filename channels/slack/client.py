"""Slack's Web API: each call once. Whether it is made again is for the outbox to say.

The SDK itself tries again after a lost connection, and so posts twice: its handlers for that are left out.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from agents.errors import DeliveryUncertain, Forbidden, HandrailError, Permanent, Unavailable
from channels.slack.errors import error_from_response

CALL_TIMEOUT_SECONDS = 10.0
"""For one call, from beginning to end."""

MAX_CONCURRENT_CALLS = 8

_FORM_ENCODED_METHODS = frozenset(
    {"chat.getPermalink", "conversations.history", "conversations.replies", "files.getUploadURLExternal", "users.info"}
)
"""What is sent to these as JSON counts as not sent (their content types under docs.slack.dev/reference/methods)."""

_PER_CHANNEL_PREFIX = "chat."
"""Methods whose limits hold for each channel (docs.slack.dev/apis/web-api/rate-limits): others are not stopped."""

_FILE_SERVERS = (".slack.com", ".slack-gov.com")
_RESPONSE_URL_PREFIXES = ("https://hooks.slack.com/", "https://hooks.slack-gov.com/")


@dataclass(frozen=True)
class ApiResponse:
    """What Slack said. `headers` have their names in lower case."""

    data: dict[str, Any]
    headers: Mapping[str, str]


@dataclass
class SlackClient:
    """One workspace's app, by its bot token. A method Slack wants left alone is not called before its time.

    Methods that write to a channel are left alone in that channel only.

    `elapsed` is seconds since some time long ago. `tls` verifies Slack; None stands for what Python itself takes.
    """

    token: str
    base_url: str = "https://slack.com/api/"
    timeout_seconds: float = CALL_TIMEOUT_SECONDS
    monotonic: Callable[[], float] = time.monotonic
    proxy: str | None = None
    tls: ssl.SSLContext | None = None
    _session: aiohttp.ClientSession | None = None
    _blocked_until: dict[tuple[str, str], float] = field(default_factory=dict)
    _call_slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_CONCURRENT_CALLS))

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """What Slack answers. Raises what `failure` makes of a refusal, Unreachable, and Doubtful."""
        return (await self.call_with_headers(method, **arguments)).data

    async def call_with_headers(self, method: str, **arguments: Any) -> ApiResponse:
        """The same with the headers, for those who need them too."""
        in_form, as_json = (arguments, None) if method in _FORM_ENCODED_METHODS else (None, arguments)
        async with self._call_slots:
            limited = _rate_limit_key(method, arguments)
            self._check_rate_limit(limited)
            try:
                async with asyncio.timeout(self.timeout_seconds):
                    response = await self._web_client().api_call(method, params=in_form, json=as_json)
            except SlackApiError as error:
                raise self._note_rate_limit(limited, _error_from_exception(error)) from error
            except aiohttp.ClientConnectorError as error:
                raise Unavailable("Slack does not answer; it is tried again") from error
            except (aiohttp.ClientError, SlackClientError, OSError, TimeoutError) as error:
                raise DeliveryUncertain from error
            except (AttributeError, UnicodeDecodeError) as error:  # the SDK expects an object of JSON
                raise error_from_response("") from error
        data = response.data if isinstance(response.data, dict) else {}
        return ApiResponse(data, {name.lower(): value for name, value in response.headers.items()})

    async def post_to_response_url(self, url: str, text: str) -> None:
        """A private note by the address Slack gave us for it, where the app may not be in the channel.

        Raises Unreachable, and NotAllowed for an address that is not Slack's
        (docs.slack.dev/interactivity/handling-user-interaction#message_responses).
        """
        if not self._is_slack_url(url):
            raise Forbidden("this response_url leads to a server that is not Slack's")
        note = {"response_type": "ephemeral", "replace_original": False, "text": text}
        try:
            async with asyncio.timeout(self.timeout_seconds):
                async with self._open_session().post(
                    url, json=note, proxy=self.proxy, ssl=self.tls or True, allow_redirects=False
                ):
                    pass
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable("Slack does not take a note") from error

    async def upload(self, url: str, data: bytes) -> None:
        """Send a file to the address Slack gave for it; nobody sees it there. Raises Unreachable, and Permanent."""
        if not self._takes_files(url):
            raise Forbidden("this upload_url leads to a server that is not Slack's")
        try:
            async with (
                asyncio.timeout(self.timeout_seconds),
                self._open_session().post(
                    url, data=data, proxy=self.proxy, ssl=self.tls or True, allow_redirects=False
                ) as response,
            ):
                status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable("Slack does not take a file; it is tried again") from error
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            raise Unavailable(f"Slack does not take a file now: {status}; it is tried again")
        if status != HTTPStatus.OK:
            raise Permanent(f"Slack refuses a file: {status}")

    async def close(self) -> None:
        """Give up the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _takes_files(self, url: str) -> bool:
        """Return whether this is a file server of Slack, or the server of SLACK_API_URL."""
        api, there = urlsplit(self.base_url), urlsplit(url)
        if there.scheme == "https" and (there.hostname or "").endswith(_FILE_SERVERS):
            return True
        return (there.scheme, there.netloc) == (api.scheme, api.netloc)

    def _is_slack_url(self, url: str) -> bool:
        """Whether Slack answers there. The server of SLACK_API_URL may stand for Slack, as it does for calls."""
        api = urlsplit(self.base_url)
        return url.startswith((*_RESPONSE_URL_PREFIXES, f"{api.scheme}://{api.netloc}/"))

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    def _web_client(self) -> AsyncWebClient:
        timeout = round(self.timeout_seconds) + 1
        session = self._open_session()
        web = AsyncWebClient(
            self.token, self.base_url, timeout=timeout, retry_handlers=[], session=session, ssl=self.tls
        )
        web.proxy = self.proxy  # without one, the SDK has taken what the environment says, for any host
        return web

    def _check_rate_limit(self, limit_key: tuple[str, str]) -> None:
        rest = self._blocked_until.get(limit_key, 0.0) - self.monotonic()
        if rest > 0:
            raise Unavailable("Slack wants to be left alone for a while", retry_after=rest)

    def _note_rate_limit(self, limit_key: tuple[str, str], error: HandrailError) -> HandrailError:
        if isinstance(error, Unavailable) and error.retry_after:
            now = self.monotonic()
            kept = {one: until for one, until in self._blocked_until.items() if until > now}
            self._blocked_until = {**kept, limit_key: now + error.retry_after}
        return error


def _rate_limit_key(method: str, arguments: Mapping[str, Any]) -> tuple[str, str]:
    """What a limit of this call holds for: the method, and the channel where the limit is one of channels."""
    return method, str(arguments.get("channel", "")) if method.startswith(_PER_CHANNEL_PREFIX) else ""


def _error_from_exception(error: SlackApiError) -> HandrailError:
    response = error.response
    if isinstance(response, AsyncSlackResponse):
        said = response.get("error") if isinstance(response.data, dict) else None
        return error_from_response(str(said or ""), status=response.status_code, headers=response.headers)
    return error_from_response(
        "", status=response.status, headers=response.headers
    )  # aiohttp's own, of a body that is no JSON
