"""The wire to a PostgreSQL server, which a test may cut at the worst moment."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from sqlalchemy import URL, make_url

_SINGLE_STATEMENT_PREFIX = b"WITH w0"
_SOCKET_NAME = ".s.PGSQL.5432"


@dataclass
class PostgresProxy:
    """Passes everything on, until it loses the answer to a commit: the server has committed, and nobody hears of it."""

    url: str
    server: URL
    answer_lost: Event = field(default_factory=Event)
    is_silent: bool = False
    """Nothing is passed on any more, and no connection is closed: what a balancer does that forgot them."""
    _marker: bytes | None = None
    _connections: set[asyncio.Task[None]] = field(default_factory=set)

    def lose_commit_containing(self, sql_text: str) -> None:
        """Of the next transaction that says these words to the server."""
        self._marker = sql_text.encode()

    async def handle(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        call = asyncio.create_task(self._forward(from_client, to_client))
        self._connections.add(call)
        await call
        self._connections.discard(call)

    async def close_connections(self) -> None:
        for call in self._connections:
            call.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _forward(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        from_server, to_server = await self._connect_to_server()
        deaf = asyncio.Event()
        ways = [
            asyncio.create_task(self._forward_to_server(from_client, to_server, deaf)),
            asyncio.create_task(self._forward_to_client(from_server, to_client, deaf)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (to_client, to_server):
                end.close()
                with suppress(ConnectionError):
                    await end.wait_closed()

    async def _connect_to_server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if folder := self.server.query.get("host"):
            return await asyncio.open_unix_connection(Path(str(folder)) / _SOCKET_NAME)
        return await asyncio.open_connection(self.server.host, self.server.port or 5432)

    async def _forward_to_server(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, drop_answers: asyncio.Event
    ) -> None:
        doomed = False
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                doomed = doomed or (self._marker is not None and self._marker in data)
                if doomed and (b"COMMIT" in data or _SINGLE_STATEMENT_PREFIX in data):
                    self._marker = None
                    drop_answers.set()
                if not self.is_silent:
                    writer.write(data)

    async def _forward_to_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, drop_answers: asyncio.Event
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if drop_answers.is_set():
                    self.answer_lost.set()
                    break
                writer.write(data)


@contextmanager
def postgres_proxy(url: str) -> Iterator[PostgresProxy]:
    """A wire to the server of a URL; the wire's `url` goes through it. It lives in a thread of its own."""
    server = make_url(url)
    with tempfile.TemporaryDirectory(prefix="wire-") as folder:
        through = PostgresProxy(server.set(query={"host": folder}).render_as_string(hide_password=False), server)
        ready, loop = Event(), asyncio.new_event_loop()
        stop = asyncio.Event()
        thread = Thread(target=loop.run_until_complete, args=(_serve(through, Path(folder), ready, stop),))
        thread.start()
        ready.wait()
        try:
            yield through
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()


async def _serve(proxy: PostgresProxy, folder: Path, ready: Event, stop: asyncio.Event) -> None:
    async with await asyncio.start_unix_server(proxy.handle, folder / _SOCKET_NAME):
        ready.set()
        await stop.wait()
        await proxy.close_connections()
