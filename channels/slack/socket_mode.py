"""Socket Mode: Slack delivers payloads over a WebSocket that the app opens.

Source: docs.slack.dev/apis/events-api/using-socket-mode.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

EnvelopeHandler = Callable[[str, Any], Awaitable[dict[str, Any] | None]]
"""Handler of an envelope's type and payload. It returns the body of the acknowledgement; may raise NotAcknowledged."""


class NotAcknowledged(Exception):
    """The envelope must stay unacknowledged, so that Slack delivers it again, possibly to another process."""


@dataclass
class SocketModeConnection:
    """Socket Mode connection, which the SDK renews on Slack's request. Envelopes are handled concurrently."""

    app_token: str
    api_url: str
    handle_envelope: EnvelopeHandler
    proxy: str | None = None
    tls: ssl.SSLContext | None = None
    _client: SocketModeClient | None = None
    _handler_tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def connect(self, timeout_seconds: float) -> bool:
        """Open the connection and return whether that succeeded within the timeout."""
        web = AsyncWebClient(base_url=self.api_url, retry_handlers=[], ssl=self.tls)
        self._client = SocketModeClient(self.app_token, web_client=web)
        web.proxy = self._client.proxy = (
            self.proxy
        )  # the SDK's default is the environment's proxy, without regard to NO_PROXY
        self._client.socket_mode_request_listeners.append(self._on_request)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._client.connect()  # type: ignore[no-untyped-call]  # the SDK has no annotation here
        return await self.is_connected()

    async def is_connected(self) -> bool:
        return self._client is not None and await self._client.is_connected()

    async def close(self) -> None:
        """Finish and acknowledge the envelopes in progress, then close. Cancel this call to close at once."""
        try:
            if self._handler_tasks:
                await asyncio.wait(self._handler_tasks)
        finally:
            await self._close()

    async def _close(self) -> None:
        for task in self._handler_tasks:
            task.cancel()
        if self._client is not None:
            await self._client.close()  # type: ignore[no-untyped-call]  # the SDK has no annotation here
            self._client = None

    async def _on_request(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        """Handle the envelope in a task: the SDK calls its listeners one after the other."""
        task = asyncio.create_task(self._handle_and_acknowledge(client, request))
        self._handler_tasks.add(task)
        task.add_done_callback(self._handler_tasks.discard)

    async def _handle_and_acknowledge(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        with suppress(NotAcknowledged, OSError):  # after OSError Slack has no acknowledgement and delivers again
            body = await self.handle_envelope(request.type, request.payload)
            await client.send_socket_mode_response(SocketModeResponse(request.envelope_id, body))
