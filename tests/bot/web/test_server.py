import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
from httpx import AsyncClient

from agents.errors import ConfigurationError
from bot.web.limits import MAX_BODY_BYTES
from bot.web.server import open_listen_socket
from tests.bot.web.api_harness import WAIT_TIMEOUT_SECONDS
from tests.bot.web.served_api import ServedApi

HEADERS = {"Authorization": "Bearer secret-alice", "Content-Type": "application/json"}


async def test_a_body_that_is_too_large_is_refused_in_words_that_arrive(served_api: ServedApi) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(2_000):
            yield b" " * 1024

    async with AsyncClient(base_url=served_api.url, headers=HEADERS) as client:
        for body in (b" " * 8 * MAX_BODY_BYTES, pieces()):
            told = await client.post("/v1/threads", content=body)
            assert (told.status_code, told.json()["error"]["code"]) == (413, "body_too_large")
        assert (await client.get("/v1/threads")).status_code == 200


async def test_a_client_that_never_ends_its_request_is_told_that_the_server_stops(served_api: ServedApi) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served_api.port)
    writer.write(b"POST /v1/threads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-alice\r\n")
    writer.write(b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    async with AsyncClient(base_url=served_api.url) as client:
        assert (await client.get("/healthz")).status_code == 200
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        await served_api.stop()
        told = await reader.read()
    writer.close()
    assert told.startswith(b"HTTP/1.1 503 ")
    assert b"this server is stopping" in told


def test_answers_are_not_held_back_for_an_acknowledgement() -> None:
    with closing(open_listen_socket("127.0.0.1", 0)) as door:
        assert door.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_port_that_is_taken_is_told_with_what_to_do(served_api: ServedApi) -> None:
    with pytest.raises(ConfigurationError, match=f"port {served_api.port}: Address already in use; set HOST or PORT"):
        open_listen_socket("127.0.0.1", served_api.port)


def test_a_host_that_is_not_ours_is_told_with_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot listen on 203\.0\.113\.1 port 0: .*; set HOST or PORT"):
        open_listen_socket("203.0.113.1", 0)


async def test_a_request_with_two_lengths_is_refused(served_api: ServedApi) -> None:
    answer = await exchange(
        served_api.port,
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
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        answer = await reader.read()
    writer.close()
    return answer
