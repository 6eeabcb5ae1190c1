"""The processes that read mails: a mail that hangs, fills or kills one is rejected, and other mails are read."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from agents.core.errors import Unavailable
from channels.email.config import EmailSettings
from channels.email.reader_pool import ReaderPool
from channels.email.values import DnsUnavailable, MailEnvelope, MailRejected
from tests.fakes.email import misbehaving_reader
from tests.fakes.email.composers import mail

SETTINGS = EmailSettings(smtp_url=SecretStr("smtp://bot:secret@mail.corp.test"), secret_key=SecretStr("0" * 32))
ENVELOPE = MailEnvelope(
    mail_from="a@corp.test", recipients=("bot@example.test",), peer="127.0.0.1", helo="x", protocol="lmtp"
)


@asynccontextmanager
async def running_pool(size: int = 1, *, read_timeout_seconds: float = 60.0) -> AsyncIterator[ReaderPool]:
    pool = ReaderPool(
        SETTINGS, size, command=(sys.executable, misbehaving_reader.__file__), read_timeout_seconds=read_timeout_seconds
    )
    try:
        yield pool
    finally:
        await pool.close()


def behaving(behavior: str) -> bytes:
    return mail("Hello", headers=[f"X-Behavior: {behavior}"])


async def process_of(pool: ReaderPool) -> str:
    return (await pool.read(mail("Hello"), ENVELOPE)).sender.reason


async def test_process_is_used_again_and_receives_no_secret() -> None:
    async with running_pool() as pool:
        parsed = await pool.read(mail("Hello, ⚙"), ENVELOPE)
        assert (parsed.new_text, parsed.subject) == ("Hello, ⚙", "Re: Approval K7P2Q: push_release_tag")
        assert await process_of(pool) == parsed.sender.reason


@pytest.mark.parametrize(
    ("behavior", "reason"),
    [
        ("hang", "reading the mail takes longer than 1 s"),
        ("fill memory", "reading the mail takes too much memory"),
        ("die", "reading the mail ended the reader with exit code 3"),
    ],
)
async def test_mail_that_stops_its_reader_is_rejected_alone(behavior: str, reason: str) -> None:
    async with running_pool(read_timeout_seconds=1.0 if behavior == "hang" else 60.0) as pool:
        with pytest.raises(MailRejected, match=reason):
            await pool.read(behaving(behavior), ENVELOPE)
        pool.read_timeout_seconds = 60.0
        assert (await pool.read(mail("Hello"), ENVELOPE)).new_text == "Hello"


async def test_mail_that_finds_all_readers_busy_is_left_for_later() -> None:
    async with running_pool() as pool:
        pool.place_timeout_seconds = 0.0
        slow = asyncio.create_task(pool.read(behaving("hang"), ENVELOPE))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="all mail readers are busy"):
            await pool.read(mail("Hello"), ENVELOPE)
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        pool.place_timeout_seconds = 60.0
        assert (await pool.read(mail("Hello"), ENVELOPE)).new_text == "Hello"


@pytest.mark.slow
async def test_mail_that_computes_too_long_is_rejected() -> None:
    async with running_pool() as pool:
        with pytest.raises(MailRejected, match="too much processor time"):
            await pool.read(behaving("compute"), ENVELOPE)


async def test_mail_that_kills_its_reader_does_not_stop_others_meanwhile() -> None:
    async with running_pool(2) as pool:
        mails = [behaving("die"), mail("One"), behaving("die"), mail("Two"), mail("Three")]
        results = await asyncio.gather(*(pool.read(raw, ENVELOPE) for raw in mails), return_exceptions=True)
    assert [getattr(result, "new_text", type(result)) for result in results] == [
        MailRejected,
        "One",
        MailRejected,
        "Two",
        "Three",
    ]


async def test_reader_that_a_shutdown_stops_leaves_the_mail_for_later() -> None:
    async with running_pool() as pool:
        with pytest.raises(Unavailable, match="the mail reader was stopped"):
            await pool.read(behaving("be terminated"), ENVELOPE)
        await process_of(pool)
        reading = asyncio.create_task(pool.read(behaving("hang"), ENVELOPE))
        await asyncio.sleep(0)
        await pool.close()
        with pytest.raises(Unavailable):
            await reading


async def test_output_of_a_library_is_not_an_answer() -> None:
    async with running_pool() as pool:
        assert (await pool.read(behaving("print"), ENVELOPE)).new_text == "Hello"


async def test_reader_cannot_write_files() -> None:
    async with running_pool() as pool:
        with pytest.raises(MailRejected):
            await pool.read(behaving("write a file"), ENVELOPE)
        assert (await pool.read(mail("Hello"), ENVELOPE)).new_text == "Hello"


async def test_rejected_mail_and_missing_dns_keep_the_process() -> None:
    async with running_pool() as pool:
        process = await process_of(pool)
        with pytest.raises(DnsUnavailable):
            await pool.read(behaving("no dns"), ENVELOPE)
        with pytest.raises(MailRejected, match="the headers are too long"):
            await pool.read(b"X-A: b\r\n" * 100_000, ENVELOPE)
        assert await process_of(pool) == process


async def test_process_is_renewed_after_its_share_of_mails() -> None:
    async with running_pool() as pool:
        first = await process_of(pool)
        (child,) = pool._all
        child.mail_count = 199
        assert await process_of(pool) == first
        assert await process_of(pool) != first
        assert len(pool._all) == 1


async def test_mail_is_read_although_the_idle_process_was_killed() -> None:
    async with running_pool() as pool:
        await process_of(pool)
        (child,) = pool._all
        child.process.kill()
        assert (await pool.read(mail("Hello"), ENVELOPE)).new_text == "Hello"


async def test_cancelled_read_ends_its_process() -> None:
    async with running_pool() as pool:
        await process_of(pool)
        reading = asyncio.create_task(pool.read(behaving("hang"), ENVELOPE))
        await asyncio.sleep(0)
        (child,) = pool._all
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert child.process.returncode is not None
        assert (await pool.read(mail("Hello"), ENVELOPE)).new_text == "Hello"


async def test_reader_that_cannot_start_leaves_the_mail_for_later() -> None:
    for command in ([sys.executable, "-c", "raise SystemExit(1)"], ["/nonexistent/python"]):
        pool = ReaderPool(SETTINGS, command=command)
        with pytest.raises(Unavailable):
            await pool.read(mail("Hello"), ENVELOPE)
        await pool.close()


async def test_closing_ends_all_processes_and_reads_nothing_more() -> None:
    async with running_pool(2) as pool:
        await asyncio.gather(process_of(pool), process_of(pool))
        children = list(pool._all)
        await pool.close()
        assert all(child.process.returncode is not None for child in children)
        with pytest.raises(Unavailable):
            await process_of(pool)
