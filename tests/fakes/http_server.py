"""Small loopback HTTP/1.1 server for fakes. It can also give no response, send slowly or close the connection."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Literal

ResponseEnd = Literal["whole", "hang", "dribble", "hang up"]


@dataclass(frozen=True)
class HttpRequest:
    """A received request; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class HttpResponse:
    """A response. Unless `end` is "whole", the client never gets a complete response.

    `chunks` are for a body of unknown length: each is sent as a chunk (RFC 9112, section 7.1) after a delay of
    `chunk_delay_seconds`.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunks: Sequence[bytes] | None = None
    chunk_delay_seconds: float = 0.0
    end: ResponseEnd = "whole"


Handler = Callable[[HttpRequest], HttpResponse]


@asynccontextmanager
async def running_http_server(handler: Handler) -> AsyncIterator[int]:
    """Serve on a free loopback port and yield it; at the end close every connection."""
    connections: set[asyncio.Task[None]] = set()

    async def on_connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await _handle_connection(reader, writer, handler)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client disconnected, or the test is over
        finally:
            connections.discard(task)
            writer.close()

    server = await asyncio.start_server(on_connect, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _handle_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    while True:
        response = handler(await _read_request(reader))
        if response.chunks is not None:
            await _send_chunks(writer, response, response.chunks)
        elif response.end not in ("hang", "hang up"):
            await _send(writer, response)
        if response.end == "hang":
            await reader.read()
        if response.end != "whole":
            return


async def _read_request(reader: asyncio.StreamReader) -> HttpRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, path, _ = first.split(" ")
    return HttpRequest(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


async def _send(writer: asyncio.StreamWriter, response: HttpResponse) -> None:
    length = len(response.body) if response.end == "whole" else 10_000_000
    writer.write(_encode_head(response, {"content-length": str(length)}) + response.body)
    await _drain(writer)
    while response.end == "dribble":
        writer.write(b" ")
        await _drain(writer)


async def _send_chunks(writer: asyncio.StreamWriter, response: HttpResponse, chunks: Sequence[bytes]) -> None:
    writer.write(_encode_head(response, {"transfer-encoding": "chunked"}))
    for chunk in filter(None, chunks):
        await asyncio.sleep(response.chunk_delay_seconds)
        writer.write(_encode_chunk(chunk))
        await _drain(writer)
    while response.end == "dribble":
        writer.write(_encode_chunk(b": \n"))
        await _drain(writer)
    if response.end == "whole":
        writer.write(_encode_chunk(b""))
        await _drain(writer)


def _encode_chunk(chunk: bytes) -> bytes:
    return f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n"


def _encode_head(response: HttpResponse, framing: Mapping[str, str]) -> bytes:
    headers = {**framing, "date": formatdate(usegmt=True), **response.headers}
    lines = [
        f"HTTP/1.1 {response.status} {_reason_phrase(response.status)}",
        *(f"{k}: {v}" for k, v in headers.items()),
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


async def _drain(writer: asyncio.StreamWriter) -> None:
    await writer.drain()
    await asyncio.sleep(0)  # yield to other tasks: drain() may return without suspending
    if writer.is_closing():
        raise ConnectionResetError


def _reason_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
