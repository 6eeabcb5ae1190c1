"""HTTP server: uvicorn with limits for connections, which ends live streams before it waits for connections."""

import asyncio
import errno
import resource
import socket
from collections.abc import Callable
from dataclasses import dataclass
from os import strerror
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from agents.core.errors import ConfigurationError
from bot.api.context import AppContext
from bot.log import LogEvent, log

LISTEN_QUEUE_LENGTH = 128
SHUTDOWN_GRACE_SECONDS = 1
"""Whole seconds for requests to end when the server stops. Tool calls are not included: the bot waits for them."""


def open_listen_socket(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 means any free port. Raises ConfigurationError when it cannot listen there."""
    try:
        [(family, *_, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        listen_socket = socket.create_server(address, family=family)
    except OSError as error:
        reason = "unknown host" if isinstance(error, socket.gaierror) else strerror(error.errno or 0)
        raise ConfigurationError(f"cannot listen on {host} port {port}: {reason}; change HOST or PORT") from error
    # asyncio sets this only on sockets that it creates. Without it, Nagle's algorithm delays every response by 40 ms.
    listen_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listen_socket


class Server(uvicorn.Server):
    """Server that runs an application until `should_exit` is set or a signal arrives."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                backlog=LISTEN_QUEUE_LENGTH,
                access_log=False,
                lifespan="off",
                log_config=None,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=SHUTDOWN_GRACE_SECONDS,
                ws="none",
            )
        )
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the live streams, which would otherwise delay the shutdown, and shut down."""
        context: AppContext = self._app.state.context
        context.streams.end()
        await super().shutdown(sockets)


HEAD_TIMEOUT_SECONDS = 10.0
"""Time from opening a connection, or from the first byte of a later request, to the end of the request's head."""
MAX_CONNECTIONS = 1000
REPORT_INTERVAL_SECONDS = 60.0
_OUT_OF_RESOURCES_ERRNOS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_BUSY_RESPONSE = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def max_connections() -> int:
    """Return the number of connections served at once: at most half of this process's file descriptors."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MAX_CONNECTIONS, descriptors // 2)


class BoundedProtocol(H11Protocol):
    """HTTP connection of uvicorn that is closed when there are too many, or when a request's head takes too long."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Answer 503 and close when there are too many connections; else wait for the head of the first request."""
        super().connection_made(transport)
        if len(self.connections) > max_connections():
            transport.write(_BUSY_RESPONSE)
            transport.close()
            return
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Pass the bytes on, and run the timer until a request has begun."""
        super().data_received(data)
        if getattr(self.cycle, "response_complete", True) is False:  # None before the first request
            self._stop_timer()
        elif self._head_timer is None:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer of the closed connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


@dataclass
class EventLoopErrorHandler:
    """Exception handler of an event loop that reports a lack of descriptors, memory or buffers at most once a minute.

    asyncio reports it for each entry of the listen queue, thousands of times a second (CPython 3.11, gh-106527).
    """

    monotonic: Callable[[], float]
    _reported_at: float | None = None

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log a lack of descriptors, memory or buffers; pass every other error to the default handler."""
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in _OUT_OF_RESOURCES_ERRNOS):
            loop.default_exception_handler(context)
            return
        now = self.monotonic()
        if self._reported_at is None or now - self._reported_at >= REPORT_INTERVAL_SECONDS:
            self._reported_at = now
            log(LogEvent.DESCRIPTORS_EXHAUSTED, level="error", error=error)
