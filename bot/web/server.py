"""The HTTP server: uvicorn, told to end the live streams before it waits for connections to close."""

import socket

import uvicorn
from fastapi import FastAPI

from bot.web.parts import Parts

DRAIN = 1
"""Whole seconds for requests to end when we stop; tools, which take longer, belong to the bot and its own grace."""


class Server(uvicorn.Server):
    """Serves an application until `should_exit` is set or a signal comes. Port 0 takes any free one."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                access_log=False,
                lifespan="off",
                log_config=None,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=DRAIN,
                ws="none",
            )
        )
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Open streams would hold us up for ever: they are told first."""
        parts: Parts = self._app.state.parts
        parts.streams.end()
        await super().shutdown(sockets)
