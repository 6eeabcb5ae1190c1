"""The application behind a socket of this machine."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from httpx import AsyncClient, Response

from bot.web.server import Server
from bot.web.streams import Streams
from tests.bot.web.surface import PATIENCE, Surface


@dataclass
class Watched(Streams):
    """Streams that tell when somebody joined and when somebody left."""

    came: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @contextmanager
    def joined(self, bell: asyncio.Event) -> Iterator[None]:
        try:
            with super().joined(bell):
                self.came.set()
                yield
        finally:
            self.left.set()


@dataclass
class Served:
    """A surface behind a socket of this machine."""

    surface: Surface
    streams: Watched
    server: Server
    task: asyncio.Task[None]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def following(self, thread_id: str, after: int = 0, last: str | None = None) -> AsyncIterator[Response]:
        headers = {"Authorization": "Bearer secret-alice", "Accept": "text/event-stream"}
        if last is not None:
            headers["Last-Event-ID"] = last
        url = f"{self.url}/v1/threads/{thread_id}/events"
        async with asyncio.timeout(2 * PATIENCE), AsyncExitStack() as stack:
            client = await stack.enter_async_context(AsyncClient())
            yield await stack.enter_async_context(client.stream("GET", url, params={"after": after}, headers=headers))

    async def stop(self) -> None:
        self.server.should_exit = True
        async with asyncio.timeout(PATIENCE):
            await self.task
