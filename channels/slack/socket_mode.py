"""Socket Mode: Slack delivers payloads over a WebSocket that the app opens.

Source: docs.slack.dev/apis/events-api/using-socket-mode.
"""

import asyncio
import ssl
from contextlib import suppress
from time import time

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from agents.core.errors import Forbidden, HandrailError, InvalidInput
from channels.base import Level, Runtime
from channels.slack.app import dispatch
from channels.slack.decoding import decode_envelope


class SocketModeConnection(AsyncSocketModeHandler):
    """Socket Mode connection, which the SDK renews on Slack's request. The SDK handles envelopes concurrently."""

    def __init__(
        self,
        app: AsyncApp,
        runtime: Runtime,
        app_token: str,
        *,
        api_url: str,
        proxy: str | None,
        tls: ssl.SSLContext | None,
    ) -> None:
        web = AsyncWebClient(base_url=api_url, retry_handlers=[], ssl=tls)
        super().__init__(app, app_token, web_client=web)
        # The SDK's default is the proxy of the environment, without regard to NO_PROXY.
        web.proxy = self.client.proxy = proxy
        self._runtime = runtime
        self._handler_tasks: set[asyncio.Task[None]] = set()

    async def connect(self, timeout_seconds: float) -> bool:
        """Open the connection and return whether that succeeded within the timeout."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self.connect_async()  # type: ignore[no-untyped-call]  # Bolt has no annotation here
        return await self.is_connected()

    async def is_connected(self) -> bool:
        return await self.client.is_connected()

    async def close(self) -> None:
        """Finish and acknowledge the envelopes in progress, then close. Cancel this call to close at once."""
        try:
            if self._handler_tasks:
                await asyncio.wait(self._handler_tasks)
        finally:
            for task in self._handler_tasks:
                task.cancel()
            await self.close_async()  # type: ignore[no-untyped-call]  # as above

    async def handle(self, client: SocketModeClient, req: SocketModeRequest) -> None:  # type: ignore[override]  # as in Bolt
        """Handle an envelope in a task that `close` waits for."""
        task = asyncio.create_task(self._handle_and_acknowledge(client, req))
        self._handler_tasks.add(task)
        task.add_done_callback(self._handler_tasks.discard)
        await asyncio.shield(task)

    async def _handle_and_acknowledge(self, client: SocketModeClient, request: SocketModeRequest) -> None:
        """Handle an envelope. Without an acknowledgement Slack delivers it again, possibly to another process."""
        if (response := await self._dispatch(request)) is not None:
            with suppress(OSError):  # Slack has no acknowledgement then
                await send_async_response(client, request, response, time())

    async def _dispatch(self, request: SocketModeRequest) -> BoltResponse | None:
        """Return the acknowledgement, None if Slack should deliver the envelope again."""
        try:
            return await dispatch(self.app, decode_envelope(request.payload), self._runtime)
        except (InvalidInput, Forbidden) as error:
            self._runtime.log("inbound_rejected", level="warning", channel="slack", error=error)
            return BoltResponse(status=200)
        except Exception as error:  # noqa: BLE001 - Slack delivers the envelope again
            level: Level = "warning" if isinstance(error, HandrailError) else "error"
            self._runtime.log("inbound_rejected", level=level, channel="slack", error=error)
            return None
