"""The application behind a local socket."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from httpx2 import AsyncClient, Response

from bot.api.context import StreamRegistry
from bot.api.server import Server
from tests.harness.api import ApiHarness
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS


@dataclass
class ObservedStreams(StreamRegistry):
    """Stream registry with events for a client that joined or left."""

    client_joined: asyncio.Event = field(default_factory=asyncio.Event)
    client_left: asyncio.Event = field(default_factory=asyncio.Event)

    @contextmanager
    def register(self, wake_event: asyncio.Event) -> Iterator[None]:
        try:
            with super().register(wake_event):
                self.client_joined.set()
                yield
        finally:
            self.client_left.set()


@dataclass
class ServedApi:
    """An API harness that is served on a local socket."""

    api: ApiHarness
    streams: ObservedStreams
    server: Server
    task: asyncio.Task[None]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def follow_events(
        self, thread_id: str, after: int = 0, last_event_id: str | None = None
    ) -> AsyncIterator[Response]:
        headers = {"Authorization": "Bearer secret-alice", "Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        url = f"{self.url}/v1/threads/{thread_id}/events"
        async with asyncio.timeout(2 * WAIT_TIMEOUT_SECONDS), AsyncExitStack() as stack:
            client = await stack.enter_async_context(AsyncClient(timeout=WAIT_TIMEOUT_SECONDS))
            yield await stack.enter_async_context(client.stream("GET", url, params={"after": after}, headers=headers))

    async def stop(self) -> None:
        self.server.should_exit = True
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            await self.task
