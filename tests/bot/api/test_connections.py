"""Limits of connections: number, time for a request's head, and reports of a lack of file descriptors."""

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

from bot.api.middleware import BodyLimit
from bot.api.server import (
    HEAD_TIMEOUT_SECONDS,
    REPORT_INTERVAL_SECONDS,
    BoundedProtocol,
    EventLoopErrorHandler,
    max_connections,
)

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class TimedLoop:
    """Part of an event loop that a connection uses, with a clock that tests advance."""

    real: asyncio.AbstractEventLoop
    now: float = 0.0
    timers: list[tuple[float, Callable[[], Any], list[bool]]] = field(default_factory=list)

    def call_later(self, delay: float, callback: Callable[[], Any]) -> Any:
        is_cancelled = [False]
        self.timers.append((self.now + delay, callback, is_cancelled))
        return type("Handle", (), {"cancel": lambda _self: is_cancelled.__setitem__(0, True)})()

    def create_task(self, *arguments: Any, **options: Any) -> asyncio.Task[Any]:
        return self.real.create_task(*arguments, **options)

    def advance(self, seconds: float) -> None:
        self.now += seconds
        due = [timer for timer in self.timers if timer[0] <= self.now]
        self.timers = [timer for timer in self.timers if timer[0] > self.now]
        for _, callback, is_cancelled in due:
            if not is_cancelled[0]:
                callback()


@dataclass
class RecordingTransport(asyncio.Transport):
    """Transport that records what is written."""

    written: bytes = b""
    is_closed: bool = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def respond_empty(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def connect(state: ServerState | None = None) -> tuple[BoundedProtocol, RecordingTransport, TimedLoop]:
    config = Config(respond_empty, log_config=None, access_log=False)
    config.load()
    loop, transport = TimedLoop(asyncio.get_running_loop()), RecordingTransport()
    protocol = BoundedProtocol(config, state or ServerState(), {}, loop)  # type: ignore[arg-type]
    protocol.connection_made(transport)
    return protocol, transport, loop


async def test_connection_without_a_request_is_closed() -> None:
    _, transport, loop = await connect()
    loop.advance(HEAD_TIMEOUT_SECONDS - 0.1)
    assert not transport.is_closed
    loop.advance(0.1)
    assert transport.is_closed


async def test_slow_head_gets_no_extra_time() -> None:
    protocol, transport, loop = await connect()
    for number in range(int(HEAD_TIMEOUT_SECONDS)):
        protocol.data_received(HEAD[number : number + 1])
        loop.advance(1)
    assert transport.is_closed


async def test_each_head_has_its_own_time() -> None:
    protocol, transport, loop = await connect()
    loop.advance(HEAD_TIMEOUT_SECONDS - 1)
    protocol.data_received(HEAD)
    loop.advance(2)
    assert not transport.is_closed
    await asyncio.gather(*protocol.tasks)
    assert transport.written.startswith(b"HTTP/1.1 204 ")
    protocol.data_received(HEAD[:5])
    loop.advance(HEAD_TIMEOUT_SECONDS - 1)
    assert not transport.is_closed
    loop.advance(1)
    assert transport.is_closed


async def test_connection_above_the_limit_gets_503() -> None:
    state = ServerState()
    for _ in range(max_connections()):
        state.connections.add(object())  # type: ignore[arg-type]
    _, transport, _ = await connect(state)
    assert transport.written.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5" in transport.written
    assert transport.is_closed


async def test_slow_body_gets_408() -> None:
    chunks = iter([{"type": "http.request", "body": b"{", "more_body": True}])

    async def receive_one_chunk() -> dict[str, Any]:
        return next(chunks, None) or await asyncio.Event().wait()

    async def read_all(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass

    with pytest.raises(HTTPException) as refused:
        await BodyLimit(read_all, timeout_seconds=0.01)(
            {"type": "http", "path": "/", "headers": []}, receive_one_chunk, receive_one_chunk
        )
    assert refused.value.status_code == 408


def test_lack_of_descriptors_is_reported_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
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


def test_other_errors_of_the_loop_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    with caplog.at_level(logging.ERROR):
        EventLoopErrorHandler(lambda: 0.0)(loop, {"message": "it broke", "exception": ValueError("x")})
    loop.close()
    assert "it broke" in caplog.text
