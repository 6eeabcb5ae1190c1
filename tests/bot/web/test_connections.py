"""Limits of connections: their number, the time for a request's head, and reports of a lack of descriptors."""

import asyncio
import errno
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from uvicorn import Config
from uvicorn.server import ServerState

from bot.web.connections import (
    HEAD_TIMEOUT_SECONDS,
    REPORT_INTERVAL_SECONDS,
    BoundedProtocol,
    EventLoopErrorHandler,
    max_connections,
)
from bot.web.limits import BodyLimit

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class TimedLoop:
    """The part of an event loop that a connection uses, with a clock that moves when it is told to."""

    real: asyncio.AbstractEventLoop
    now: float = 0.0
    timers: list[tuple[float, Callable[[], Any], list[bool]]] = field(default_factory=list)

    def call_later(self, delay: float, act: Callable[[], Any]) -> Any:
        cancelled = [False]
        self.timers.append((self.now + delay, act, cancelled))
        return type("Handle", (), {"cancel": lambda _self: cancelled.__setitem__(0, True)})()

    def create_task(self, *arguments: Any, **options: Any) -> asyncio.Task[Any]:
        return self.real.create_task(*arguments, **options)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        due = [timer for timer in self.timers if timer[0] <= self.now]
        self.timers = [timer for timer in self.timers if timer[0] > self.now]
        for _, act, cancelled in due:
            if not cancelled[0]:
                act()


@dataclass
class RecordingTransport(asyncio.Transport):
    """A transport that keeps what is written."""

    sent: bytes = b""
    closed: bool = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def answer_with_nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def connected(state: ServerState | None = None) -> tuple[BoundedProtocol, RecordingTransport, TimedLoop]:
    config = Config(answer_with_nothing, log_config=None, access_log=False)
    config.load()
    loop, wire = TimedLoop(asyncio.get_running_loop()), RecordingTransport()
    protocol = BoundedProtocol(config, state or ServerState(), {}, loop)  # type: ignore[arg-type]
    protocol.connection_made(wire)
    return protocol, wire, loop


async def test_a_connection_without_a_request_is_closed() -> None:
    _, wire, loop = await connected()
    loop.pass_time(HEAD_TIMEOUT_SECONDS - 0.1)
    assert not wire.closed
    loop.pass_time(0.1)
    assert wire.closed


async def test_a_head_that_comes_byte_by_byte_gets_no_more_time() -> None:
    protocol, wire, loop = await connected()
    for number in range(int(HEAD_TIMEOUT_SECONDS)):
        protocol.data_received(HEAD[number : number + 1])
        loop.pass_time(1)
    assert wire.closed


async def test_a_request_stops_the_time_and_the_next_head_has_its_own() -> None:
    protocol, wire, loop = await connected()
    loop.pass_time(HEAD_TIMEOUT_SECONDS - 1)
    protocol.data_received(HEAD)
    loop.pass_time(2)
    assert not wire.closed
    await asyncio.gather(*protocol.tasks)
    assert wire.sent.startswith(b"HTTP/1.1 204 ")
    protocol.data_received(HEAD[:5])
    loop.pass_time(HEAD_TIMEOUT_SECONDS - 1)
    assert not wire.closed
    loop.pass_time(1)
    assert wire.closed


async def test_a_connection_above_the_limit_is_turned_away_with_503() -> None:
    state = ServerState()
    for _ in range(max_connections()):
        state.connections.add(object())  # type: ignore[arg-type]
    _, wire, _ = await connected(state)
    assert wire.sent.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5" in wire.sent
    assert wire.closed


async def test_a_body_that_does_not_arrive_in_time_is_refused_with_408() -> None:
    pieces = iter([{"type": "http.request", "body": b"{", "more_body": True}])

    async def one_piece() -> dict[str, Any]:
        return next(pieces, None) or await asyncio.Event().wait()

    async def read_all(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass

    with pytest.raises(HTTPException) as refused:
        await BodyLimit(read_all, timeout_seconds=0.01)(
            {"type": "http", "path": "/", "headers": []}, one_piece, one_piece
        )
    assert refused.value.status_code == 408


def test_a_lack_of_descriptors_is_reported_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    report, loop = EventLoopErrorHandler(lambda: now[0]), asyncio.new_event_loop()
    context = {"message": "socket.accept() out of system resource", "exception": OSError(errno.EMFILE, "too many")}
    with caplog.at_level(logging.ERROR):
        for second in range(int(REPORT_INTERVAL_SECONDS) + 1):
            now[0] = float(second)
            for _ in range(100):
                report(loop, context)
    loop.close()
    assert len(caplog.records) == 2


def test_other_errors_of_the_loop_are_reported_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    with caplog.at_level(logging.ERROR):
        EventLoopErrorHandler(lambda: 0.0)(loop, {"message": "it broke", "exception": ValueError("x")})
    loop.close()
    assert "it broke" in caplog.text
