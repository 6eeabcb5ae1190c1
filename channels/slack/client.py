"""Client of Slack's Web API. Each call is made once; its caller, such as the outbox dispatcher, decides about retries.

The SDK's retry handlers are disabled: they retry after a lost connection and so could post a message twice.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from agents.core.errors import DeliveryUncertain, Forbidden, HandrailError, Permanent, Unavailable
from channels.slack.destinations import Destination
from channels.slack.errors import error_from_response

CALL_TIMEOUT_SECONDS = 10.0
"""Limit for one call, including connecting and reading the response."""

MAX_CONCURRENT_CALLS = 8

_FORM_ENCODED_METHODS = frozenset(
    {"chat.getPermalink", "conversations.history", "conversations.replies", "files.getUploadURLExternal", "users.info"}
)
"""Methods that ignore a JSON body (their content types: docs.slack.dev/reference/methods)."""

_PER_CHANNEL_PREFIX = "chat."
"""Prefix of methods with one rate limit per channel (docs.slack.dev/apis/web-api/rate-limits)."""

_FILE_SERVERS = (".slack.com", ".slack-gov.com")
_RESPONSE_URL_PREFIXES = ("https://hooks.slack.com/", "https://hooks.slack-gov.com/")


@dataclass(frozen=True)
class ApiResponse:
    """Successful response of Slack. Header names are in lower case."""

    data: dict[str, Any]
    headers: Mapping[str, str]


@dataclass
class SlackClient:
    """Web API client for one installation, which the bot token identifies.

    After a response with a rate limit, the method is not called until the Retry-After time has passed; a limit of a
    `chat.*` method concerns only the channel of that call. `monotonic` returns seconds of a monotonic clock. `tls` is
    the context that verifies Slack's certificate; None means Python's default.
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
        """Call a method and return the response's body.

        Raises the error of `error_from_response`, Unavailable if Slack cannot be reached, and DeliveryUncertain if the
        connection failed after the call was sent.
        """
        return (await self.call_with_headers(method, **arguments)).data

    async def call_with_headers(self, method: str, **arguments: Any) -> ApiResponse:
        """Call a method and return the response with its headers; raises as `call` does."""
        in_form, as_json = (arguments, None) if method in _FORM_ENCODED_METHODS else (None, arguments)
        async with self._call_slots:
            limit_key = _rate_limit_key(method, arguments)
            self._check_rate_limit(limit_key)
            try:
                async with asyncio.timeout(self.timeout_seconds):
                    response = await self._web_client().api_call(method, params=in_form, json=as_json)
            except SlackApiError as error:
                raise self._note_rate_limit(limit_key, _error_from_exception(error)) from error
            except aiohttp.ClientConnectorError as error:
                raise Unavailable("Slack cannot be reached; retrying") from error
            except (aiohttp.ClientError, SlackClientError, OSError, TimeoutError) as error:
                raise DeliveryUncertain from error
            except (AttributeError, UnicodeDecodeError) as error:  # the SDK expects a JSON object
                raise error_from_response("") from error
        data = response.data if isinstance(response.data, dict) else {}
        return ApiResponse(data, {name.lower(): value for name, value in response.headers.items()})

    async def post_to_response_url(self, url: str, text: str) -> None:
        """Post an ephemeral message to an interaction's `response_url`, also in a channel without the app.

        Raises Unavailable, and Forbidden if the URL is not Slack's
        (docs.slack.dev/interactivity/handling-user-interaction#message_responses).
        """
        if not self._is_slack_url(url):
            raise Forbidden("this response_url does not belong to Slack")
        message = {"response_type": "ephemeral", "replace_original": False, "text": text}
        try:
            async with asyncio.timeout(self.timeout_seconds):
                async with self._open_session().post(
                    url, json=message, proxy=self.proxy, ssl=self.tls or True, allow_redirects=False
                ):
                    pass
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable("Slack did not accept an ephemeral message") from error

    async def upload(self, url: str, data: bytes) -> None:
        """Upload a file to Slack's `upload_url`; it stays invisible until it is shared.

        Raises Unavailable, Forbidden if the URL is not Slack's, and Permanent.
        """
        if not self._is_file_server(url):
            raise Forbidden("this upload_url does not belong to Slack")
        try:
            async with (
                asyncio.timeout(self.timeout_seconds),
                self._open_session().post(
                    url, data=data, proxy=self.proxy, ssl=self.tls or True, allow_redirects=False
                ) as response,
            ):
                status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable("a file could not be uploaded to Slack; retrying") from error
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            raise Unavailable(f"Slack did not accept a file: HTTP {status}; retrying")
        if status != HTTPStatus.OK:
            raise Permanent(f"Slack rejected a file: HTTP {status}")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _is_file_server(self, url: str) -> bool:
        """Return whether the URL belongs to a file server of Slack, or to the server of SLACK_API_URL, as in tests."""
        api, target = urlsplit(self.base_url), urlsplit(url)
        if target.scheme == "https" and (target.hostname or "").endswith(_FILE_SERVERS):
            return True
        return (target.scheme, target.netloc) == (api.scheme, api.netloc)

    def _is_slack_url(self, url: str) -> bool:
        """Return whether the URL belongs to Slack, or to the server of SLACK_API_URL, which replaces Slack in tests."""
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
        web.proxy = self.proxy  # the SDK's default is the environment's proxy; it ignores NO_PROXY
        return web

    def _check_rate_limit(self, limit_key: tuple[str, str]) -> None:
        remaining = self._blocked_until.get(limit_key, 0.0) - self.monotonic()
        if remaining > 0:
            raise Unavailable("Slack's rate limit for this method has been reached", retry_after=remaining)

    def _note_rate_limit(self, limit_key: tuple[str, str], error: HandrailError) -> HandrailError:
        if isinstance(error, Unavailable) and error.retry_after:
            now = self.monotonic()
            active = {key: until for key, until in self._blocked_until.items() if until > now}
            self._blocked_until = {**active, limit_key: now + error.retry_after}
        return error


def _rate_limit_key(method: str, arguments: Mapping[str, Any]) -> tuple[str, str]:
    """Return the scope of this call's rate limit: the method, and the channel if the limit is per channel."""
    return method, str(arguments.get("channel", "")) if method.startswith(_PER_CHANNEL_PREFIX) else ""


def _error_from_exception(error: SlackApiError) -> HandrailError:
    response = error.response
    if isinstance(response, AsyncSlackResponse):
        code = response.get("error") if isinstance(response.data, dict) else None
        return error_from_response(str(code or ""), status=response.status_code, headers=response.headers)
    # aiohttp's response, for a body that is not JSON
    return error_from_response("", status=response.status, headers=response.headers)


MAX_MESSAGES = 3
"""Messages of one reply; a longer reply becomes its beginning and a file."""


def file_name(key: str) -> str:
    """Return the name of a message's file, derived from its outbox key."""
    return f"reply-{sha256(key.encode()).hexdigest()[:16]}.txt"


async def upload_text(client: SlackClient, name: str, text: str) -> str:
    """Upload a text and return its file id. Raises the errors of SlackClient."""
    data = text.encode()
    upload = await client.call("files.getUploadURLExternal", filename=name, length=len(data), snippet_type="text")
    await client.upload(str(upload.get("upload_url")), data)
    return str(upload.get("file_id"))


async def share_file(client: SlackClient, destination: Destination, file_id: str, title: str) -> None:
    """Share an uploaded file in a thread. Raises the errors of SlackClient."""
    files = [{"id": file_id, "title": title}]
    thread = {"thread_ts": destination.thread_ts} if destination.thread_ts else {}
    await client.call("files.completeUploadExternal", files=files, channel_id=destination.channel, **thread)
