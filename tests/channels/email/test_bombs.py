"""Mails that are made to stop a reader: each is refused or read within a second, and none takes the process down."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

import pytest

from channels.email.config import EmailSettings
from channels.email.prescan import prescan
from channels.email.reader import read_mail
from channels.email.reader_pool import ReaderPool
from channels.email.values import MailEnvelope, MailRejected
from tests.fakes.email import misbehaving_reader
from tests.fakes.email.bombs import READ, REJECTED
from tests.fakes.email.composers import mail
from tests.fakes.email.misbehaving_reader import check_sender
from tests.harness.time_limits import promised_seconds

MAX_SECONDS, MAX_LARGE_SECONDS = 1.0, 3.0
ENVELOPE = MailEnvelope(
    mail_from="a@corp.test", recipients=("bot@example.test",), peer="127.0.0.1", helo="x", protocol="smtp"
)
REJECTED_BY_READER = {"60,000 newlines"}
LARGE = {"25 MB attachment"}
"""Mails that are no attack, but large."""


@pytest.mark.parametrize("name", sorted(REJECTED.keys() - REJECTED_BY_READER))
def test_bomb_is_refused_before_any_parser_sees_it(name: str) -> None:
    raw = REJECTED[name]()
    started_at = perf_counter()
    with pytest.raises(MailRejected):
        prescan(raw)
    assert perf_counter() - started_at <= promised_seconds(MAX_SECONDS)


def test_mail_with_too_many_lines_of_text_is_refused_by_the_reader() -> None:
    started_at = perf_counter()
    with pytest.raises(MailRejected, match="the text has too many lines"):
        read_mail(REJECTED["60,000 newlines"](), ENVELOPE, check_sender)
    assert perf_counter() - started_at <= promised_seconds(MAX_SECONDS)


async def test_every_bomb_is_read_within_a_second_by_one_process() -> None:
    slow, processes = {}, set()
    async with running_pool() as pool:
        for name in READ.keys() - LARGE:
            seconds, process = await _read(pool, READ[name]())
            processes.add(process)
            if seconds > promised_seconds(MAX_SECONDS):
                slow[name] = round(seconds, 2)
    assert not slow
    assert len(processes) == 1


@pytest.mark.slow
async def test_mail_of_the_greatest_size_is_read_by_the_limited_process() -> None:
    async with running_pool() as pool:
        for name in LARGE:
            seconds, _ = await _read(pool, READ[name]())
            assert seconds <= promised_seconds(MAX_LARGE_SECONDS)


@asynccontextmanager
async def running_pool() -> AsyncIterator[ReaderPool]:
    pool = ReaderPool(EmailSettings(), 1, command=(sys.executable, misbehaving_reader.__file__))
    try:
        await pool.read(mail("Hello"), ENVELOPE)
        yield pool
    finally:
        await pool.close()


async def _read(pool: ReaderPool, raw: bytes) -> tuple[float, int]:
    started_at = perf_counter()
    await pool.read(raw, ENVELOPE)
    (child,) = pool._all
    return perf_counter() - started_at, child.process.pid
