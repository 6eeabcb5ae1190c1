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

from agents.errors import HandrailError, Misconfigured, NotAllowed, Refused, Retryable, Unreachable
from agents.people import name_in

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
SILENCE_SECONDS = 60.0
"""A live log that says nothing for so long, not even that it is alive, is given up and asked for again."""

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
PAGE = 100
_STRANGER = "is this a Handrail?"

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
    def of(cls, told: Json) -> Self:
        """Return the event of an object of the API."""
        return cls(told["seq"], told["type"], told["at"], told["actor"], told["data"], told.get("names") or {})

    @classmethod
    def read(cls, text: str) -> Self:
        """The event of one message. Raises Refused for what is none."""
        try:
            return cls.of(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(f"the server sent an event we do not understand: {_STRANGER}") from error


@dataclass(frozen=True)
class Connection:
    """Whether the live log is there: told once when it is lost and once when it is back."""

    lost: bool


@dataclass
class EventStream:
    """`text/event-stream` as it arrives, in any pieces; gives the data of each message (HTML Standard §9.2.6)."""

    _rest: bytes = b""
    _data: list[str] = field(default_factory=list)

    def feed(self, piece: bytes) -> list[str]:
        """The messages this piece completes. Only `data` is looked at: it says what `id` and `event` say too."""
        # A line may end in CR, LF or both: a CR at the very end waits for what follows it.
        text = self._rest + piece
        held = b"\r" if text.endswith(b"\r") else b""
        *lines, rest = text.removesuffix(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = rest + held
        return [message for line in lines if (message := self._line(line)) is not None]

    def _line(self, line: bytes) -> str | None:
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
            raise Misconfigured("the API token is none: look at HANDRAIL_API_TOKEN, or .handrail/api-token")
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
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

    async def get(self, where: str, *, patience: int = 0, **query: Any) -> Json:
        """What is at a path. None in the query is left out; without an answer it is asked `patience` times more."""
        given = {name: value for name, value in query.items() if value is not None}
        return await self._patiently(patience, "GET", where, params=given)

    async def post(self, where: str, body: Mapping[str, Any] | None = None, *, patience: int = 0) -> Json:
        """Order something; None in the body is left out. Without an answer it is sent `patience` times more.

        Sending again is safe: all attempts carry one Idempotency-Key.
        """
        given = {name: value for name, value in (body or {}).items() if value is not None}
        headers = {"Idempotency-Key": uuid4().hex, **({"Handrail-Channel": self.address} if self.address else {})}
        return await self._patiently(patience, "POST", where, json=given, headers=headers)

    async def listed(self, where: str, name: str, *, most: int, **query: Any) -> list[Json]:
        """At most so many objects of a paged list, newest first."""
        found: list[Json] = []
        cursor = None
        while len(found) < most:
            page = await self.get(where, cursor=cursor, limit=min(PAGE, most - len(found)), **query)
            found += page[name]
            if (cursor := page.get("next_cursor")) is None:
                break
        return found

    async def ready(self) -> Json:
        """What the server says of itself, also when it is not well. Raises Unreachable, and Refused by a stranger."""
        reply = await self._answer("GET", "/readyz")
        with suppress(ValueError):
            return reply.json()
        return _told(reply)

    async def follow(self, thread_id: str, after: int = 0) -> AsyncIterator[LoggedEvent | Connection]:
        """The thread's log behind `after`, for ever, each event once; when the server is away, patiently.

        Raises what the server answers when it refuses, such as ThreadNotFound.
        """
        lost, pauses = False, _pauses()
        while True:
            try:
                async with aclosing(self._streamed(thread_id, after)) as events:
                    async for event in events:
                        if lost:
                            yield Connection(lost=False)
                        lost, pauses = False, _pauses()
                        if event is not None and event.seq > after:
                            after = event.seq
                            yield event
            except Retryable:
                pass
            if not lost:
                yield Connection(lost=True)
            lost = True
            await self._sleep(next(pauses))

    async def _streamed(self, thread_id: str, after: int) -> AsyncGenerator[LoggedEvent | None]:
        """One connection's worth of the log; None once it stands, before the first event."""
        stream = EventStream()
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        options: dict[str, Any] = {"params": {"after": after}, "headers": {"Accept": "text/event-stream"}}
        try:
            async with self._http.stream(
                "GET", path("threads", thread_id, "events"), timeout=timeout, **options
            ) as reply:
                if reply.is_error:
                    await reply.aread()
                    _told(reply)
                yield None
                async for piece in reply.aiter_bytes():
                    for message in stream.feed(piece):
                        yield LoggedEvent.read(message)
        except httpx.HTTPError as error:
            raise self._unreachable() from error

    async def _patiently(self, patience: int, method: str, where: str, **options: Any) -> Json:
        for pause in islice(_pauses(), patience):
            with suppress(Retryable):
                return _told(await self._answer(method, where, **options))
            await self._sleep(pause)
        return _told(await self._answer(method, where, **options))

    async def _answer(self, method: str, where: str, **options: Any) -> httpx.Response:
        try:
            return await self._http.request(method, where, **options)
        except httpx.HTTPError as error:
            raise self._unreachable() from error

    def _unreachable(self) -> Unreachable:
        return Unreachable(
            f"no Handrail answers at {self.url}; start it with `make up`, or set HANDRAIL_URL to where it is"
        )


def path(*parts: str) -> str:
    """The path of something under `/v1`; what a person typed cannot lead elsewhere."""
    return "/".join(["/v1", *(quote(part, safe="") for part in parts)])


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(LONGEST_PAUSE, pause * 2)


def _told(reply: httpx.Response) -> Json:
    """The body of an answer. Raises the error it tells."""
    try:
        body = reply.json()
    except ValueError:
        body = None
    if reply.is_success and body is not None:
        return body
    raise _error(reply.status_code, body)


def _error(status: int, body: Json) -> HandrailError:
    told = body.get("error") if isinstance(body, dict) else None
    if not isinstance(told, dict) or not isinstance(told.get("message"), str):
        return Refused(f"the server answered {status} and nothing we understand: {_STRANGER}")
    if status == httpx.codes.UNAUTHORIZED:
        return NotAllowed(f"{told['message']} (HANDRAIL_API_TOKEN, or .handrail/api-token of the server's folder)")
    return _KINDS.get(told.get("code", ""), Refused)(told["message"], details=told.get("details"))


def _kinds(root: type[HandrailError]) -> dict[str, type[HandrailError]]:
    """Every error of the tree by its code."""
    found = {root().code: root}
    for kind in root.__subclasses__():
        found |= _kinds(kind)
    return found


_KINDS = _kinds(HandrailError)
