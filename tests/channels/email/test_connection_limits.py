"""Idle and greedy clients do not keep others from delivering mail."""

import asyncio
import socket
import time
from contextlib import AsyncExitStack

import pytest

from channels.email.mail_intake import SessionLimits
from tests.channels.email.recording_receiver import RecordingRuntime
from tests.channels.email.smtp_client import ANY_PORT, MAIL, running_listener, smtp_dialogue
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS, promised_seconds

ATTACKER = "127.0.0.2"


async def open_idle(stack: AsyncExitStack, port: int, count: int, source: str = ATTACKER) -> list[str]:
    """Open connections that send nothing, and return the first reply that each gets."""
    dialogues = [await stack.enter_async_context(smtp_dialogue(port, "", source=source)) for _ in range(count)]
    return [await dialogue.read_reply() for dialogue in dialogues]


async def measure_mails(port: int, count: int) -> list[float]:
    """Send mails, each with a connection of its own, and return the seconds from connection to acknowledgement."""
    durations = []
    for number in range(count):
        started_at = time.perf_counter()
        async with smtp_dialogue(port) as client:
            assert (await client.send_mail(MAIL + b"%d\r\n" % number)).startswith("250")
        durations.append(time.perf_counter() - started_at)
    return sorted(durations)


async def test_500_idle_connections_are_refused_and_others_deliver():
    runtime = RecordingRuntime()
    async with running_listener(runtime) as listener, AsyncExitStack() as stack:
        (port,) = listener.ports
        before = await measure_mails(port, 20)
        started_at = time.perf_counter()
        banners = await open_idle(stack, port, 500)
        assert time.perf_counter() - started_at < promised_seconds(10)
        assert [banner[:3] for banner in banners] == ["220"] * 50 + ["421"] * 450
        during = await measure_mails(port, 20)
    # tests/bench measures how much slower they are; here a mail only must not wait for the idle connections.
    assert during[len(during) // 2] < promised_seconds(max(5 * before[len(before) // 2], 0.2))


async def test_client_of_a_full_server_takes_the_place_of_an_idle_one():
    runtime = RecordingRuntime()
    limits = SessionLimits(connections=4, connections_per_peer=2, eviction_seconds=0)
    async with running_listener(runtime, limits) as listener, AsyncExitStack() as stack:
        (port,) = listener.ports
        oldest = await stack.enter_async_context(smtp_dialogue(port, source=ATTACKER))
        await open_idle(stack, port, 3, "127.0.0.3")
        receiving = await stack.enter_async_context(smtp_dialogue(port, source=ATTACKER))
        await receiving.start_mail()
        assert await measure_mails(port, 3)
        assert await oldest.read_reply() == "421 4.3.2 Too many connections"
        receiving.send(MAIL + b".\r\n")
        assert (await receiving.read_reply()).startswith("250")
    assert len(runtime.receiver.inputs) == 4


async def test_full_server_without_idle_sessions_refuses():
    limits = SessionLimits(connections=2, eviction_seconds=60)
    async with running_listener(RecordingRuntime(), limits) as listener, AsyncExitStack() as stack:
        assert [banner[:3] for banner in await open_idle(stack, listener.ports[0], 4)] == ["220", "220", "421", "421"]


async def test_lmtp_has_50_connections():
    settings = {"smtp_listen": None, "lmtp_listen": ANY_PORT}
    async with running_listener(RecordingRuntime(), **settings) as listener, AsyncExitStack() as stack:
        banners = await open_idle(stack, listener.ports[0], 60)
    assert [banner[:3] for banner in banners] == ["220"] * 50 + ["421"] * 10


async def test_place_of_a_client_that_left_is_free_again():
    async with running_listener(RecordingRuntime(), SessionLimits(connections=1)) as listener:
        (port,) = listener.ports
        for _ in range(5):
            async with asyncio.timeout(30), smtp_dialogue(port) as client:
                assert (await client.command("QUIT")).startswith("221")
                assert await client.read_reply() == ""


@pytest.mark.slow  # the kernel's buffers have to be filled first
async def test_client_that_reads_nothing_is_disconnected():
    limits = SessionLimits(idle_seconds=0.05, abort_seconds=0.05, commands=10**9)
    async with running_listener(RecordingRuntime(), limits) as listener:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the smallest buffer, which is full soon
        connection.connect(("127.0.0.1", listener.ports[0]))
        _, writer = await asyncio.open_connection(sock=connection, limit=1)
        with pytest.raises(ConnectionError):
            await _write_until_disconnected(writer)
        writer.close()


async def _write_until_disconnected(writer):
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while True:
            writer.write(b"VRFY x\r\n" * 10_000)
            await writer.drain()
