import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
from httpx2 import AsyncClient

from agents.core.errors import ConfigurationError
from bot.api.middleware import MAX_BODY_BYTES
from bot.api.server import open_listen_socket
from tests.bot.api.served_api import ServedApi
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

HEADERS = {"Authorization": "Bearer secret-alice", "Content-Type": "application/json"}


async def test_client_receives_the_error_for_a_too_large_body(served_api: ServedApi) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(2_000):
            yield b" " * 1024

    async with AsyncClient(base_url=served_api.url, headers=HEADERS, timeout=WAIT_TIMEOUT_SECONDS) as client:
        for body in (b" " * 8 * MAX_BODY_BYTES, chunks()):
            response = await client.post("/v1/threads", content=body)
            assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")
        assert (await client.get("/v1/threads")).status_code == 200


async def test_unfinished_request_gets_503_when_the_server_stops(served_api: ServedApi) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served_api.port)
    writer.write(b"POST /v1/threads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-alice\r\n")
    writer.write(b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    async with AsyncClient(base_url=served_api.url, timeout=WAIT_TIMEOUT_SECONDS) as client:
        assert (await client.get("/healthz")).status_code == 200
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        await served_api.stop()
        response = await reader.read()
    writer.close()
    assert response.startswith(b"HTTP/1.1 503 ")
    assert b"the server is stopping" in response


def test_listen_socket_disables_nagles_algorithm() -> None:
    with closing(open_listen_socket("127.0.0.1", 0)) as listen_socket:
        assert listen_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_taken_port_is_an_error_with_a_fix(served_api: ServedApi) -> None:
    with pytest.raises(
        ConfigurationError, match=f"port {served_api.port}: Address already in use; change HOST or PORT"
    ):
        open_listen_socket("127.0.0.1", served_api.port)


def test_address_of_another_machine_is_an_error_with_a_fix() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot listen on 203\.0\.113\.1 port 0: .*; change HOST or PORT"):
        open_listen_socket("203.0.113.1", 0)


async def test_request_with_two_lengths_is_refused(served_api: ServedApi) -> None:
    response = await send_and_read_all(
        served_api.port,
        b"POST /v1/threads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-alice\r\n"
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/threads HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    assert response.startswith(b"HTTP/1.1 400 ")
    assert b"ambiguous_length" in response
    assert response.count(b"HTTP/1.1 ") == 1


async def send_and_read_all(port: int, request: bytes) -> bytes:
    """Send bytes and return all that the server sends until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        response = await reader.read()
    writer.close()
    return response
