"""Socket Mode: Slack delivers payloads over a WebSocket that the app opens, each in an envelope to be acknowledged.

A runner keeps a connection open, and opens another one if the SDK fails to renew it.
Source: docs.slack.dev/apis/events-api/using-socket-mode.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
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
from channels.slack.app import decode_envelope, dispatch
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.identity import BotIdentityCache


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


CONNECT_TIMEOUT_SECONDS = 15.0
"""Limit for opening a connection."""

HEALTH_CHECK_SECONDS = 10.0
"""Interval between two checks of the connection."""

SHUTDOWN_GRACE_SECONDS = 2.0
"""Time to commit and acknowledge received envelopes during shutdown."""

RUNNER_NAME = "socket:slack"


@dataclass
class SocketModeRunner:
    """Runs one connection at a time, and reports a problem while no connection is open."""

    create_connection: Callable[[Runtime], SocketModeConnection]
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def start(self, runtime: Runtime) -> None:
        """Open the connection in a task."""
        runtime.report_problem(RUNNER_NAME, "the Socket Mode connection is not open yet")
        self._task = asyncio.create_task(runtime.supervise(RUNNER_NAME, partial(self._run, runtime), self._stopping))

    async def stop(self) -> None:
        """Stop. Slack delivers an envelope again if it is not acknowledged within the grace period."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=SHUTDOWN_GRACE_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, runtime: Runtime) -> None:
        attempt = 0
        while not self._stopping.is_set():
            attempt = 0 if await self._run_connection(runtime) else attempt + 1
            if not self._stopping.is_set():
                await runtime.back_off(attempt + 1, self._stopping)

    async def _run_connection(self, runtime: Runtime) -> bool:
        """Run a connection until it ends; return whether it could be opened. An error of the SDK is raised."""
        connection = self.create_connection(runtime)
        try:
            return await self._connect_and_monitor(connection, runtime)
        except Exception as error:
            _report_lost(runtime, error)
            raise
        finally:
            await connection.close()

    async def _connect_and_monitor(self, connection: SocketModeConnection, runtime: Runtime) -> bool:
        """Open a connection and wait until it is lost or the runner stops; return whether it could be opened."""
        if not await connection.connect(CONNECT_TIMEOUT_SECONDS):
            _report_lost(runtime)
            return False
        runtime.report_problem(RUNNER_NAME, None)
        runtime.log("socket_opened", channel="slack")
        while not self._stopping.is_set():
            await runtime.sleep(HEALTH_CHECK_SECONDS, self._stopping)
            if not self._stopping.is_set() and not await connection.is_connected():
                _report_lost(runtime)
                break
        return True


def _report_lost(runtime: Runtime, error: Exception | None = None) -> None:
    runtime.report_problem(
        RUNNER_NAME,
        "the Socket Mode connection is down; check SLACK_APP_TOKEN and whether this machine can reach Slack",
    )
    runtime.log("socket_lost", level="warning", channel="slack", error=error)


BACKGROUND_GRACE_SECONDS = 1.0
"""Time for background tasks to finish, after the connection was closed."""


@dataclass(frozen=True)
class SlackService:
    """Runs Socket Mode if it is configured. Background tasks end after the connection that starts them."""

    background_tasks: BackgroundTasks
    bot_identity: BotIdentityCache
    socket_mode: SocketModeRunner | None

    async def start(self, runtime: Runtime) -> None:
        self.bot_identity.fetch_in_background(self.background_tasks, runtime)
        if self.socket_mode is not None:
            self.socket_mode.start(runtime)

    async def stop(self) -> None:
        if self.socket_mode is not None:
            await self.socket_mode.stop()
        await self.background_tasks.stop(BACKGROUND_GRACE_SECONDS)
