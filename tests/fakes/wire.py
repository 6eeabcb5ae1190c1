"""The wire to a PostgreSQL server, which a test may cut at the worst moment."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import make_url

_SOCKET = ".s.PGSQL.5432"


@dataclass
class Wire:
    """Passes everything on. Once told to `lose_the_answer_to` some words, it lets them through and then goes dead."""

    url: str
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    _fatal: bytes | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def lose_the_answer_to(self, words: str) -> None:
        """The server hears them and does what they say; nobody hears of it."""
        self._fatal = words.encode()

    async def serve(self, server: Path, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(server)
        self._open |= {to_client, to_server}
        deaf = asyncio.Event()
        ways = [self._up(from_client, to_server, deaf), self._down(from_server, to_client, deaf)]
        await asyncio.wait([asyncio.ensure_future(way) for way in ways])
        for end in (to_client, to_server):
            end.close()
            self._open.discard(end)

    def cut(self) -> None:
        for end in self._open:
            end.close()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if self._fatal is not None and self._fatal in data:
                    self._fatal = None
                    deaf.set()
                writer.write(data)
        writer.close()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if deaf.is_set():
                    self.lost.set()
                    break
                writer.write(data)
        writer.close()


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[Wire]:
    """A wire to the server of a URL that names a folder with its socket; `url` of the wire goes through it."""
    parsed = make_url(url)
    server = Path(str(parsed.query["host"])) / _SOCKET
    with tempfile.TemporaryDirectory(prefix="wire-") as folder:
        through = Wire(parsed.update_query_dict({"host": folder}).render_as_string(hide_password=False))
        listening = await asyncio.start_unix_server(
            lambda reader, writer: through.serve(server, reader, writer), Path(folder) / _SOCKET
        )
        async with listening:
            yield through
            through.cut()
