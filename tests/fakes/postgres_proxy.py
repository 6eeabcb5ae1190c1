"""Proxy to a PostgreSQL server that a test can interrupt at a chosen commit."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from sqlalchemy import URL, make_url

_SINGLE_STATEMENT_PREFIX = b"ready AS (SELECT"
_SOCKET_NAME = ".s.PGSQL.5432"


@dataclass
class PostgresProxy:
    """Forwards all traffic, until it drops the response to a commit, which the server has then executed."""

    url: str
    server: URL
    response_lost: Event = field(default_factory=Event)
    is_silent: bool = False
    """Forward no more traffic, but keep the connections open, like a load balancer that has lost their state."""
    _marker: bytes | None = None
    _connections: set[asyncio.Task[None]] = field(default_factory=set)

    def lose_response_to_commit_containing(self, sql_text: str) -> None:
        """Drop the response to the commit of the next transaction whose statements contain this text."""
        self._marker = sql_text.encode()

    async def handle(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._forward(from_client, to_client))
        self._connections.add(connection)
        await connection
        self._connections.discard(connection)

    async def close_connections(self) -> None:
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _forward(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        from_server, to_server = await self._connect_to_server()
        drop_responses = asyncio.Event()
        directions = [
            asyncio.create_task(self._forward_to_server(from_client, to_server, drop_responses)),
            asyncio.create_task(self._forward_to_client(from_server, to_client, drop_responses)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            for writer in (to_client, to_server):
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()

    async def _connect_to_server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if folder := self.server.query.get("host"):
            return await asyncio.open_unix_connection(Path(str(folder)) / _SOCKET_NAME)
        return await asyncio.open_connection(self.server.host, self.server.port or 5432)

    async def _forward_to_server(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, drop_responses: asyncio.Event
    ) -> None:
        is_marked = False
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                is_marked = is_marked or (self._marker is not None and self._marker in data)
                if is_marked and (b"COMMIT" in data or _SINGLE_STATEMENT_PREFIX in data):
                    self._marker = None
                    drop_responses.set()
                if not self.is_silent:
                    writer.write(data)

    async def _forward_to_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, drop_responses: asyncio.Event
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if drop_responses.is_set():
                    self.response_lost.set()
                    break
                writer.write(data)


@contextmanager
def postgres_proxy(url: str) -> Iterator[PostgresProxy]:
    """Run a proxy to the server of a URL in an OS thread; the proxy's own `url` leads through it."""
    server = make_url(url)
    with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
        proxy = PostgresProxy(server.set(query={"host": folder}).render_as_string(hide_password=False), server)
        ready, loop = Event(), asyncio.new_event_loop()
        stop = asyncio.Event()
        thread = Thread(target=loop.run_until_complete, args=(_serve(proxy, Path(folder), ready, stop),))
        thread.start()
        ready.wait()
        try:
            yield proxy
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()


async def _serve(proxy: PostgresProxy, folder: Path, ready: Event, stop: asyncio.Event) -> None:
    async with await asyncio.start_unix_server(proxy.handle, folder / _SOCKET_NAME):
        ready.set()
        await stop.wait()
        await proxy.close_connections()
