import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
from httpx import AsyncClient

from agents.errors import Misconfigured
from bot.web.limits import LARGEST_BODY
from bot.web.server import listener
from tests.bot.web.served import Served
from tests.bot.web.surface import PATIENCE

HEADERS = {"Authorization": "Bearer secret-alice", "Content-Type": "application/json"}


async def test_a_body_that_is_too_large_is_refused_in_words_that_arrive(served: Served) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(2_000):
            yield b" " * 1024

    async with AsyncClient(base_url=served.url, headers=HEADERS) as client:
        for body in (b" " * 8 * LARGEST_BODY, pieces()):
            told = await client.post("/v1/threads", content=body)
            assert (told.status_code, told.json()["error"]["code"]) == (413, "body_too_large")
        assert (await client.get("/v1/threads")).status_code == 200


async def test_a_client_that_never_ends_its_request_is_told_that_the_server_stops(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"POST /v1/threads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-alice\r\n")
    writer.write(b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    async with AsyncClient(base_url=served.url) as client:
        assert (await client.get("/healthz")).status_code == 200
    async with asyncio.timeout(PATIENCE):
        await served.stop()
        told = await reader.read()
    writer.close()
    assert told.startswith(b"HTTP/1.1 503 ")
    assert b"this server is stopping" in told


def test_answers_are_not_held_back_for_an_acknowledgement() -> None:
    with closing(listener("127.0.0.1", 0)) as door:
        assert door.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_port_that_is_taken_is_told_with_what_to_do(served: Served) -> None:
    with pytest.raises(Misconfigured, match=f"port {served.port}: Address already in use; set HOST or PORT"):
        listener("127.0.0.1", served.port)


def test_a_host_that_is_not_ours_is_told_with_what_to_do() -> None:
    with pytest.raises(Misconfigured, match=r"cannot listen on 203\.0\.113\.1 port 0: .*; set HOST or PORT"):
        listener("203.0.113.1", 0)


async def test_a_request_with_two_lengths_is_refused(served: Served) -> None:
    answer = await exchange(
        served.port,
        b"POST /v1/threads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-alice\r\n"
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/threads HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"ambiguous_length" in answer
    assert answer.count(b"HTTP/1.1 ") == 1


async def exchange(port: int, request: bytes) -> bytes:
    """Send bytes and return all that the server sends until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
    writer.close()
    return answer
