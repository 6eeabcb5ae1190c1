"""The HTTP server: uvicorn, told to end the live streams before it waits for connections to close."""

import socket
from os import strerror

import uvicorn
from fastapi import FastAPI

from agents.errors import ConfigurationError
from bot.web.connections import BoundedProtocol
from bot.web.context import AppContext

LISTEN_QUEUE_LENGTH = 128
SHUTDOWN_GRACE_SECONDS = 1
"""Whole seconds for requests to end when we stop; tools, which take longer, belong to the bot and its own grace."""


def open_listen_socket(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes any free one. Raises Misconfigured when there is no listening there."""
    try:
        [(family, *_, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        door = socket.create_server(address, family=family)
    except OSError as error:
        why = "there is no such host" if isinstance(error, socket.gaierror) else strerror(error.errno or 0)
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {why}; set HOST or PORT to something else"
        ) from error
    # asyncio sets this on sockets it makes itself; without it every answer waits 40 ms for an acknowledgement (Nagle).
    door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return door


class Server(uvicorn.Server):
    """Serves an application until `should_exit` is set or a signal comes."""

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
        """Open streams would hold us up: they are told first."""
        parts: AppContext = self._app.state.parts
        parts.streams.end()
        await super().shutdown(sockets)
