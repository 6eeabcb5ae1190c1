"""HTTP API client of the terminal: requests, lists, and a live log that reconnects after a server restart."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx2

from agents.core.errors import ConfigurationError, Conflict, Forbidden, HandrailError, Retryable, Unavailable
from agents.core.people import name_in

CONNECT_TIMEOUT_SECONDS = 5.0
RESPONSE_TIMEOUT_SECONDS = 30.0
STREAM_SILENCE_TIMEOUT_SECONDS = 60.0
"""Reconnect a live log when not even a keep-alive comment has arrived for this time."""

FIRST_RETRY_DELAY_SECONDS, MAX_RETRY_DELAY_SECONDS = 0.2, 5.0
PAGE_SIZE = 100
_NOT_HANDRAIL_HINT = "is this a Handrail server?"

Sleep = Callable[[float], Awaitable[None]]
Json = Any


@dataclass(frozen=True)
class LoggedEvent:
    """One event of a thread's log as the API sends it. `names` has the names of its people by address."""

    seq: int
    type: str
    at: str
    actor: str
    data: Mapping[str, Any]
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def speaker(self) -> str:
        """Name of the person or agent that caused the event."""
        return name_in(self.names, self.actor)

    @classmethod
    def from_json(cls, item: Json) -> Self:
        """Return the event in a JSON object of the API."""
        return cls(item["seq"], item["type"], item["at"], item["actor"], item["data"], item.get("names") or {})

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the event in the JSON text of a stream message. Raises Conflict when it is not an event."""
        try:
            return cls.from_json(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise Conflict(f"the server sent an event that is not valid: {_NOT_HANDRAIL_HINT}") from error


@dataclass(frozen=True)
class ConnectionChange:
    """Change of the live log's connection. `follow` yields one when the connection is lost, and one when it is back."""

    is_lost: bool


class TerminalClient:
    """Client of one server. With a `name`, the key of a person in `handrail.toml`, it acts for that person.

    Every method raises a HandrailError with a message for the user.
    """

    def __init__(
        self,
        url: str,
        token: str,
        name: str | None = None,
        *,
        sleep: Sleep = asyncio.sleep,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url
        self.name = name
        self._sleep = sleep
        if not (token.isascii() and token.isprintable()):
            raise ConfigurationError("the API token is not valid; check HANDRAIL_API_TOKEN or .handrail/api-token")
        timeout = httpx2.Timeout(RESPONSE_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # trust_env=False ignores proxy settings, so that the token is sent only to this server.
        self._http = httpx2.AsyncClient(
            base_url=url, headers=headers, timeout=timeout, transport=transport, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    @property
    def address(self) -> str | None:
        """Address for replies to this terminal; None for the server's default."""
        return self.name and f"terminal:{self.name}"

    @property
    def person(self) -> str | None:
        """Address of the person to act for; None for the owner of the token."""
        return self.name and f"person:{self.name}"

    async def get(self, url_path: str, *, retries: int = 0, **query: Any) -> Json:
        """Return the JSON at a path; query values of None are left out.

        If the server cannot be reached or reports a temporary failure, retry at most `retries` times.
        """
        params = {name: value for name, value in query.items() if value is not None}
        return await self._request_with_retry(retries, "GET", url_path, params=params)

    async def post(self, url_path: str, body: Mapping[str, Any] | None = None, *, retries: int = 0) -> Json:
        """Post to a path and return the response's JSON; body values of None are left out.

        If the server cannot be reached or reports a temporary failure, retry at most `retries` times. This is safe,
        because all attempts have the same Idempotency-Key.
        """
        content = {name: value for name, value in (body or {}).items() if value is not None}
        headers = {"Idempotency-Key": uuid4().hex, **({"Handrail-Channel": self.address} if self.address else {})}
        return await self._request_with_retry(retries, "POST", url_path, json=content, headers=headers)

    async def list_all(self, url_path: str, name: str, *, max_items: int, **query: Any) -> list[Json]:
        """Return at most `max_items` objects of a paged list, newest first. `name` is the field with the items."""
        items: list[Json] = []
        cursor = None
        while len(items) < max_items:
            page = await self.get(url_path, cursor=cursor, limit=min(PAGE_SIZE, max_items - len(items)), **query)
            items += page[name]
            if (cursor := page.get("next_cursor")) is None:
                break
        return items

    async def get_readiness(self) -> Json:
        """Return the result of /readyz, also when a check failed.

        Raises Unavailable if there is no response, and Conflict if the server is not Handrail.
        """
        response = await self._request("GET", "/readyz")
        with suppress(ValueError):
            return response.json()
        return _unwrap(response)

    async def follow(self, thread_id: str, after: int = 0) -> AsyncIterator[LoggedEvent | ConnectionChange]:
        """Yield the thread's events with a `seq` above `after`, each once, without end.

        Reconnect when the connection is lost. Raises the error of a rejected request, such as ThreadNotFound.
        """
        is_lost, delays = False, _retry_delays()
        while True:
            try:
                async with aclosing(self._stream_events(thread_id, after)) as events:
                    async for event in events:
                        if is_lost:
                            yield ConnectionChange(is_lost=False)
                        is_lost, delays = False, _retry_delays()
                        if event is not None and event.seq > after:
                            after = event.seq
                            yield event
            except Retryable:
                pass
            if not is_lost:
                yield ConnectionChange(is_lost=True)
            is_lost = True
            await self._sleep(next(delays))

    async def _stream_events(self, thread_id: str, after: int) -> AsyncGenerator[LoggedEvent | None]:
        """Yield None when the connection is established, then its events."""
        path = api_path("threads", thread_id, "events")
        timeout = httpx2.Timeout(STREAM_SILENCE_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
        try:
            async with self._http.sse(path, params={"after": after}, timeout=timeout, max_event_size=None) as stream:
                if stream.response.is_error:
                    await stream.response.aread()
                    _unwrap(stream.response)
                yield None
                async for message in stream:
                    if message.data:
                        yield LoggedEvent.parse(message.data)
        except httpx2.HTTPError as error:
            raise self._unavailable_error() from error

    async def _request_with_retry(self, retries: int, method: str, url_path: str, **options: Any) -> Json:
        for delay in islice(_retry_delays(), retries):
            with suppress(Retryable):
                return _unwrap(await self._request(method, url_path, **options))
            await self._sleep(delay)
        return _unwrap(await self._request(method, url_path, **options))

    async def _request(self, method: str, url_path: str, **options: Any) -> httpx2.Response:
        try:
            return await self._http.request(method, url_path, **options)
        except httpx2.HTTPError as error:
            raise self._unavailable_error() from error

    def _unavailable_error(self) -> Unavailable:
        return Unavailable(
            f"no Handrail server answers at {self.url}; start it with `make up`, or set HANDRAIL_URL to its address"
        )


def api_path(*parts: str) -> str:
    """Return a path under `/v1`. Parts are quoted, so that typed text cannot change the path."""
    return "/".join(["/v1", *(quote(part, safe="") for part in parts)])


def _retry_delays() -> Iterator[float]:
    delay = FIRST_RETRY_DELAY_SECONDS
    while True:
        yield delay
        delay = min(MAX_RETRY_DELAY_SECONDS, delay * 2)


def _unwrap(response: httpx2.Response) -> Json:
    """Return the JSON body of a response. Raises the HandrailError that an error response describes."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.is_success and body is not None:
        return body
    raise _error_from_body(response.status_code, body)


def _error_from_body(status: int, body: Json) -> HandrailError:
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return Conflict(f"the server answered {status} without a valid body: {_NOT_HANDRAIL_HINT}")
    if status == httpx2.codes.UNAUTHORIZED:
        return Forbidden(f"{error['message']} (set HANDRAIL_API_TOKEN, or use the server's .handrail/api-token)")
    return _ERRORS_BY_CODE.get(error.get("code", ""), Conflict)(error["message"], details=error.get("details"))


def _errors_by_code(root: type[HandrailError]) -> dict[str, type[HandrailError]]:
    """Return an error class and all its subclasses by their codes."""
    errors = {root().code: root}
    for error_type in root.__subclasses__():
        errors |= _errors_by_code(error_type)
    return errors


_ERRORS_BY_CODE = _errors_by_code(HandrailError)
