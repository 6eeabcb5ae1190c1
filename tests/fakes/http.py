"""A loopback HTTP/1.1 server in a few lines, for fakes: it starts in a millisecond and can hang, dribble, hang up."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Literal

End = Literal["whole", "hang", "dribble", "hang up"]


@dataclass(frozen=True)
class HttpRequest:
    """What came in; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class HttpReply:
    """What goes out. Without its `end` being whole, the client never gets a complete answer.

    `pieces` are for an answer whose length nobody knows beforehand: each is a chunk (RFC 9112 §7.1), then it ends.
    The server takes `pause` seconds before each.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    pieces: Sequence[bytes] | None = None
    pause: float = 0.0
    end: End = "whole"


Handler = Callable[[HttpRequest], HttpReply]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """Serve on a free loopback port, which is yielded; at the end every connection is closed."""
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await _conversation(reader, writer, handler)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            connections.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    while True:
        reply = handler(await _request(reader))
        if reply.pieces is not None:
            await _send_pieces(writer, reply, reply.pieces)
        elif reply.end not in ("hang", "hang up"):
            await _send(writer, reply)
        if reply.end == "hang":
            await reader.read()
        if reply.end != "whole":
            return


async def _request(reader: asyncio.StreamReader) -> HttpRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, path, _ = first.split(" ")
    return HttpRequest(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


async def _send(writer: asyncio.StreamWriter, reply: HttpReply) -> None:
    length = len(reply.body) if reply.end == "whole" else 10_000_000
    writer.write(_head(reply, {"content-length": str(length)}) + reply.body)
    await _drained(writer)
    while reply.end == "dribble":
        writer.write(b" ")
        await _drained(writer)


async def _send_pieces(writer: asyncio.StreamWriter, reply: HttpReply, pieces: Sequence[bytes]) -> None:
    writer.write(_head(reply, {"transfer-encoding": "chunked"}))
    for piece in filter(None, pieces):
        await asyncio.sleep(reply.pause)
        writer.write(_chunk(piece))
        await _drained(writer)
    while reply.end == "dribble":
        writer.write(_chunk(b": \n"))
        await _drained(writer)
    if reply.end == "whole":
        writer.write(_chunk(b""))
        await _drained(writer)


def _chunk(piece: bytes) -> bytes:
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n"


def _head(reply: HttpReply, framing: Mapping[str, str]) -> bytes:
    headers = {**framing, "date": formatdate(usegmt=True), **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} {_phrase(reply.status)}", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


async def _drained(writer: asyncio.StreamWriter) -> None:
    await writer.drain()
    await asyncio.sleep(0)  # a drain that need not wait would let nobody else run
    if writer.is_closing():
        raise ConnectionResetError


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
