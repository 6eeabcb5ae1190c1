"""HTTP server: uvicorn, extended to end live streams before it waits for connections to close."""

import socket
from os import strerror

import uvicorn
from fastapi import FastAPI

from agents.errors import ConfigurationError
from bot.web.connections import BoundedProtocol
from bot.web.context import AppContext

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
