"""Client of Twilio's API for messages. Each call is made once; the outbox decides about retries.

The SDK's own HTTP client ignores its time limit and can repeat the creation of a message, so this one takes its place.
"""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx2
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.base.values import unset
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance

from agents.core.errors import DeliveryUncertain, Unavailable
from channels.sms.errors import BAD_CALLBACK_CODE, to_error
from channels.sms.rendering import TIME_LEFT
from channels.sms.values import InboundSms, Media, StatusUpdate

CALL_TIMEOUT_SECONDS = 10.0
CONNECT_TIMEOUT_SECONDS = 5.0
MAX_LISTED_MESSAGES = 200
"""Limit on the messages that one look reads; Twilio lists the newest first."""

_PROVIDER_URL = "https://api.twilio.com"
_SERVICE_PREFIX = "MG"
_SERVER_ERROR = 500


class TwilioHttp(AsyncHttpClient):  # type: ignore[misc]  # the SDK has no types
    """HTTP client for the SDK with a time limit, without retries and redirects, for `base_url` instead of Twilio's."""

    def __init__(self, base_url: str, tls: ssl.SSLContext, proxy: str | None = None) -> None:
        super().__init__(logger=None, is_async=True)
        self._base_url = base_url
        timeout = httpx2.Timeout(CALL_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
        self._http = httpx2.AsyncClient(timeout=timeout, verify=tls, proxy=proxy, trust_env=False)

    async def request(self, method: str, uri: str, **options: Any) -> Response:
        """Make one call, to `base_url` only. The time limit and redirects in the SDK's `options` are left out."""
        url = self._base_url + uri.removeprefix(_PROVIDER_URL)
        passed: dict[str, Any] = {name: options.get(name) for name in ("params", "data", "headers", "auth")}
        response = await self._http.request(method, url, **passed)
        return Response(response.status_code, response.text, response.headers)

    async def close(self) -> None:
        await self._http.aclose()


@dataclass(frozen=True)
class SmsApi:
    """Messages of one account. `sender` is a number, or the SID of a messaging service."""

    account: Client
    http: TwilioHttp
    sender: str

    async def create(self, to: str, body: str, *, validity_seconds: int, callback_url: str | None) -> str:
        """Send a message and return its SID. It is dropped if the carrier has not delivered it in time.

        Raises Unavailable, DeliveryUncertain if the message may have been sent, OptedOut, ConfigurationError and
        Permanent.
        """
        async with _mapped_errors(DeliveryUncertain):
            message = await self.account.messages.create_async(
                to=to,
                body=body,
                from_=unset if self._is_service else self.sender,
                messaging_service_sid=self.sender if self._is_service else unset,
                validity_period=validity_seconds,
                status_callback=callback_url or unset,
            )
        return str(message.sid)

    async def find_sent(self, to: str, body: str, since: datetime) -> str | None:
        """Return the SID of a message with this recipient and text that was sent since then, None without one.

        The time that is left for an answer may differ. A message that waits in a queue of Twilio has no time of sending
        yet, so that of its creation counts.
        """
        listed = await self._list(to=to)
        sent = (one for one in listed if self._is_own(one) and one.date_created and one.date_created >= since)
        return next((str(one.sid) for one in sent if _without_time(one.body or "") == _without_time(body)), None)

    async def list_inbound(self, since: datetime) -> list[InboundSms]:
        """Return the messages to the number that arrived since then, the oldest first."""
        listed = await self._list(date_sent_after=since, **({} if self._is_service else {"to": self.sender}))
        return [_to_inbound(one) for one in reversed(listed) if one.direction == "inbound"]

    async def list_sent(self, since: datetime) -> list[StatusUpdate]:
        """Return the states of the messages from the number since then."""
        listed = await self._list(date_sent_after=since, **({} if self._is_service else {"from_": self.sender}))
        own = (one for one in listed if self._is_own(one))
        return [StatusUpdate(str(one.sid), str(one.status), str(one.error_code or "")) for one in own]

    @property
    def _is_service(self) -> bool:
        return self.sender.startswith(_SERVICE_PREFIX)

    async def _list(self, **filters: Any) -> list[MessageInstance]:
        async with _mapped_errors(Unavailable):
            return list(await self.account.messages.list_async(limit=MAX_LISTED_MESSAGES, **filters))

    def _is_own(self, message: MessageInstance) -> bool:
        return self.sender in (message.from_, message.messaging_service_sid) and message.direction != "inbound"

    async def close(self) -> None:
        """Close the connections."""
        await self.http.close()


class CallbackRefused(Exception):
    """Twilio cannot use the address for reports, so the message has to be sent without one."""


def create_api(
    account_sid: str, auth_token: str, sender: str, base_url: str, *, tls: ssl.SSLContext, proxy: str | None
) -> SmsApi:
    """Return the API of an account."""
    http = TwilioHttp(base_url, tls, proxy)
    return SmsApi(Client(account_sid, auth_token, http_client=http), http, sender)


@asynccontextmanager
async def _mapped_errors(uncertain: type[Unavailable]) -> AsyncIterator[None]:
    """Map the errors of a call. `uncertain` is raised if Twilio may have carried the call out."""
    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError) as error:
        raise Unavailable("Twilio cannot be reached") from error
    except httpx2.HTTPError as error:
        raise uncertain("Twilio did not answer in time") from error
    except TwilioRestException as error:
        code = str(error.code or "")
        if code == BAD_CALLBACK_CODE:
            raise CallbackRefused from error
        if error.status >= _SERVER_ERROR:
            raise uncertain("Twilio failed") from error
        raise to_error(error.status, code, None) from error
    except (TwilioException, json.JSONDecodeError, AttributeError, TypeError, ValueError) as error:
        raise uncertain("Twilio's answer cannot be read") from error


def _without_time(body: str) -> str:
    return TIME_LEFT.sub("", body)


def _to_inbound(message: MessageInstance) -> InboundSms:
    """Return a listed message. Its pictures have URLs of their own, which the list does not contain."""
    count = int(message.num_media or 0)
    media = tuple(Media("", f"{_PROVIDER_URL}{message.uri.removesuffix('.json')}/Media/{n}") for n in range(count))
    return InboundSms(
        sid=str(message.sid),
        to=str(message.to),
        sender=str(message.from_),
        text=str(message.body or ""),
        media=media,
    )
