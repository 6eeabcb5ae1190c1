"""The terminal's side of the HTTP API: requests, lists, and a live log that survives a restart of the server."""

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

import httpx

from agents.errors import ConfigurationError, Conflict, Forbidden, HandrailError, Retryable, Unavailable
from agents.people import name_in

CONNECT_TIMEOUT_SECONDS = 5.0
RESPONSE_TIMEOUT_SECONDS = 30.0
STREAM_SILENCE_TIMEOUT_SECONDS = 60.0
"""A live log that says nothing for so long, not even that it is alive, is given up and asked for again."""

FIRST_RETRY_DELAY_SECONDS, MAX_RETRY_DELAY_SECONDS = 0.2, 5.0
PAGE_SIZE = 100
_NOT_HANDRAIL_HINT = "is this a Handrail?"

Sleep = Callable[[float], Awaitable[None]]
Json = Any


@dataclass(frozen=True)
class LoggedEvent:
    """One event of a thread's log as the API tells it; `names` are those of the people it speaks of, by address."""

    seq: int
    type: str
    at: str
    actor: str
    data: Mapping[str, Any]
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def speaker(self) -> str:
        """The name of the person or agent that did it."""
        return name_in(self.names, self.actor)

    @classmethod
    def from_json(cls, item: Json) -> Self:
        """Return the event of an object of the API."""
        return cls(item["seq"], item["type"], item["at"], item["actor"], item["data"], item.get("names") or {})

    @classmethod
    def parse(cls, text: str) -> Self:
        """The event of one message. Raises Refused for what is none."""
        try:
            return cls.from_json(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise Conflict(f"the server sent an event we do not understand: {_NOT_HANDRAIL_HINT}") from error


@dataclass(frozen=True)
class ConnectionChange:
    """Whether the live log is there: told once when it is lost and once when it is back."""

    is_lost: bool


@dataclass
class SseDecoder:
    """`text/event-stream` as it arrives, in any pieces; gives the data of each message (HTML Standard §9.2.6)."""

    _buffer: bytes = b""
    _data: list[str] = field(default_factory=list)

    def feed(self, chunk: bytes) -> list[str]:
        """The messages this piece completes. Only `data` is looked at: it says what `id` and `event` say too."""
        # A line may end in CR, LF or both: a CR at the very end waits for what follows it.
        text = self._buffer + chunk
        held = b"\r" if text.endswith(b"\r") else b""
        *lines, rest = text.removesuffix(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._buffer = rest + held
        return [message for line in lines if (message := self._feed_line(line)) is not None]

    def _feed_line(self, line: bytes) -> str | None:
        if line:
            name, _, value = line.decode(errors="replace").partition(":")
            if name == "data":
                self._data.append(value.removeprefix(" "))
            return None
        message, self._data = "\n".join(self._data), []
        return message or None


class TerminalClient:
    """Speaks to one server, as `terminal:NAME` when it is known whose terminal it is.

    Every method raises a HandrailError with a sentence for the person.
    """

    def __init__(
        self,
        url: str,
        token: str,
        name: str | None = None,
        *,
        sleep: Sleep = asyncio.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url
        self.name = name
        self._sleep = sleep
        if not (token.isascii() and token.isprintable()):
            raise ConfigurationError("the API token is none: look at HANDRAIL_API_TOKEN, or .handrail/api-token")
        timeout = httpx.Timeout(RESPONSE_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Nothing of the machine's proxies: the token goes to this server and nowhere else.
        self._http = httpx.AsyncClient(
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
        """Where replies to this terminal go; None leaves it to the server."""
        return self.name and f"terminal:{self.name}"

    @property
    def person(self) -> str | None:
        """In whose name we speak; None for the owner of the token, whoever that is."""
        return self.name and f"person:{self.name}"

    async def get(self, url_path: str, *, retries: int = 0, **query: Any) -> Json:
        """What is at a path. None in the query is left out; without an answer it is asked `patience` times more."""
        given = {name: value for name, value in query.items() if value is not None}
        return await self._request_with_retry(retries, "GET", url_path, params=given)

    async def post(self, url_path: str, body: Mapping[str, Any] | None = None, *, retries: int = 0) -> Json:
        """Order something; None in the body is left out. Without an answer it is sent `patience` times more.

        Sending again is safe: all attempts carry one Idempotency-Key.
        """
        given = {name: value for name, value in (body or {}).items() if value is not None}
        headers = {"Idempotency-Key": uuid4().hex, **({"Handrail-Channel": self.address} if self.address else {})}
        return await self._request_with_retry(retries, "POST", url_path, json=given, headers=headers)

    async def list_all(self, url_path: str, name: str, *, max_items: int, **query: Any) -> list[Json]:
        """At most so many objects of a paged list, newest first."""
        found: list[Json] = []
        cursor = None
        while len(found) < max_items:
            page = await self.get(url_path, cursor=cursor, limit=min(PAGE_SIZE, max_items - len(found)), **query)
            found += page[name]
            if (cursor := page.get("next_cursor")) is None:
                break
        return found

    async def get_readiness(self) -> Json:
        """What the server says of itself, also when it is not well. Raises Unreachable, and Refused by a stranger."""
        reply = await self._request("GET", "/readyz")
        with suppress(ValueError):
            return reply.json()
        return _unwrap(reply)

    async def follow(self, thread_id: str, after: int = 0) -> AsyncIterator[LoggedEvent | ConnectionChange]:
        """The thread's log behind `after`, for ever, each event once; when the server is away, patiently.

        Raises what the server answers when it refuses, such as ThreadNotFound.
        """
        lost, pauses = False, _retry_delays()
        while True:
            try:
                async with aclosing(self._stream_events(thread_id, after)) as events:
                    async for event in events:
                        if lost:
                            yield ConnectionChange(is_lost=False)
                        lost, pauses = False, _retry_delays()
                        if event is not None and event.seq > after:
                            after = event.seq
                            yield event
            except Retryable:
                pass
            if not lost:
                yield ConnectionChange(is_lost=True)
            lost = True
            await self._sleep(next(pauses))

    async def _stream_events(self, thread_id: str, after: int) -> AsyncGenerator[LoggedEvent | None]:
        """One connection's worth of the log; None once it stands, before the first event."""
        stream = SseDecoder()
        timeout = httpx.Timeout(STREAM_SILENCE_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
        options: dict[str, Any] = {"params": {"after": after}, "headers": {"Accept": "text/event-stream"}}
        try:
            async with self._http.stream(
                "GET", api_path("threads", thread_id, "events"), timeout=timeout, **options
            ) as reply:
                if reply.is_error:
                    await reply.aread()
                    _unwrap(reply)
                yield None
                async for piece in reply.aiter_bytes():
                    for message in stream.feed(piece):
                        yield LoggedEvent.parse(message)
        except httpx.HTTPError as error:
            raise self._unavailable_error() from error

    async def _request_with_retry(self, retries: int, method: str, url_path: str, **options: Any) -> Json:
        for pause in islice(_retry_delays(), retries):
            with suppress(Retryable):
                return _unwrap(await self._request(method, url_path, **options))
            await self._sleep(pause)
        return _unwrap(await self._request(method, url_path, **options))

    async def _request(self, method: str, url_path: str, **options: Any) -> httpx.Response:
        try:
            return await self._http.request(method, url_path, **options)
        except httpx.HTTPError as error:
            raise self._unavailable_error() from error

    def _unavailable_error(self) -> Unavailable:
        return Unavailable(
            f"no Handrail answers at {self.url}; start it with `make up`, or set HANDRAIL_URL to where it is"
        )


def api_path(*parts: str) -> str:
    """The path of something under `/v1`; what a person typed cannot lead elsewhere."""
    return "/".join(["/v1", *(quote(part, safe="") for part in parts)])


def _retry_delays() -> Iterator[float]:
    pause = FIRST_RETRY_DELAY_SECONDS
    while True:
        yield pause
        pause = min(MAX_RETRY_DELAY_SECONDS, pause * 2)


def _unwrap(reply: httpx.Response) -> Json:
    """The body of an answer. Raises the error it tells."""
    try:
        body = reply.json()
    except ValueError:
        body = None
    if reply.is_success and body is not None:
        return body
    raise _error_from_body(reply.status_code, body)


def _error_from_body(status: int, body: Json) -> HandrailError:
    told = body.get("error") if isinstance(body, dict) else None
    if not isinstance(told, dict) or not isinstance(told.get("message"), str):
        return Conflict(f"the server answered {status} and nothing we understand: {_NOT_HANDRAIL_HINT}")
    if status == httpx.codes.UNAUTHORIZED:
        return Forbidden(f"{told['message']} (HANDRAIL_API_TOKEN, or .handrail/api-token of the server's folder)")
    return _ERRORS_BY_CODE.get(told.get("code", ""), Conflict)(told["message"], details=told.get("details"))


def _errors_by_code(root: type[HandrailError]) -> dict[str, type[HandrailError]]:
    """Every error of the tree by its code."""
    found = {root().code: root}
    for kind in root.__subclasses__():
        found |= _errors_by_code(kind)
    return found


_ERRORS_BY_CODE = _errors_by_code(HandrailError)
