"""The wire to a PostgreSQL server, which a test may cut at the worst moment."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from sqlalchemy import URL, make_url

_ALONE = b"WITH w0"
_SOCKET = ".s.PGSQL.5432"


@dataclass
class Wire:
    """Passes everything on, until it loses the answer to a commit: the server has committed, and nobody hears of it."""

    url: str
    server: URL
    lost: Event = field(default_factory=Event)
    silent: bool = False
    """Nothing is passed on any more, and no connection is closed: what a balancer does that forgot them."""
    _fatal: bytes | None = None
    _calls: set[asyncio.Task[None]] = field(default_factory=set)

    def lose_the_commit_of(self, words: str) -> None:
        """Of the next transaction that says these words to the server."""
        self._fatal = words.encode()

    async def serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        call = asyncio.create_task(self._connected(from_client, to_client))
        self._calls.add(call)
        await call
        self._calls.discard(call)

    async def cut(self) -> None:
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _connected(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        from_server, to_server = await self._called()
        deaf = asyncio.Event()
        ways = [
            asyncio.create_task(self._up(from_client, to_server, deaf)),
            asyncio.create_task(self._down(from_server, to_client, deaf)),
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

    async def _called(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if folder := self.server.query.get("host"):
            return await asyncio.open_unix_connection(Path(str(folder)) / _SOCKET)
        return await asyncio.open_connection(self.server.host, self.server.port or 5432)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event) -> None:
        doomed = False
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                doomed = doomed or (self._fatal is not None and self._fatal in data)
                if doomed and (b"COMMIT" in data or _ALONE in data):
                    self._fatal = None
                    deaf.set()
                if not self.silent:
                    writer.write(data)

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if deaf.is_set():
                    self.lost.set()
                    break
                writer.write(data)


@contextmanager
def wire(url: str) -> Iterator[Wire]:
    """A wire to the server of a URL; the wire's `url` goes through it. It lives in a thread of its own."""
    server = make_url(url)
    with tempfile.TemporaryDirectory(prefix="wire-") as folder:
        through = Wire(server.set(query={"host": folder}).render_as_string(hide_password=False), server)
        ready, loop = Event(), asyncio.new_event_loop()
        stop = asyncio.Event()
        thread = Thread(target=loop.run_until_complete, args=(_lie(through, Path(folder), ready, stop),))
        thread.start()
        ready.wait()
        try:
            yield through
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()


async def _lie(through: Wire, folder: Path, ready: Event, stop: asyncio.Event) -> None:
    async with await asyncio.start_unix_server(through.serve, folder / _SOCKET):
        ready.set()
        await stop.wait()
        await through.cut()
