"""Mails that are made to stop a reader: each is refused or read within a second, and none takes the process down."""

import sys
from collections.abc import Callable
from time import perf_counter

import pytest

from channels.email.config import EmailSettings
from channels.email.prescan import prescan
from channels.email.reader_pool import ReaderPool
from channels.email.values import MailEnvelope, MailRejected
from tests.fakes.email import misbehaving_reader
from tests.fakes.email.bombs import READ, REJECTED
from tests.harness.time_limits import promised_seconds

MAX_SECONDS = 1.0
ENVELOPE = MailEnvelope(
    mail_from="a@corp.test", recipients=("bot@example.test",), peer="127.0.0.1", helo="x", protocol="smtp"
)
REJECTED_BY_READER = {"60,000 newlines"}


@pytest.mark.parametrize("name", sorted(REJECTED.keys() - REJECTED_BY_READER))
def test_bomb_is_refused_before_any_parser_sees_it(name: str) -> None:
    raw = REJECTED[name]()
    started_at = perf_counter()
    with pytest.raises(MailRejected):
        prescan(raw)
    assert perf_counter() - started_at <= promised_seconds(MAX_SECONDS)


async def test_every_bomb_ends_within_a_second_in_one_process() -> None:
    pool = ReaderPool(EmailSettings(), 1, command=(sys.executable, misbehaving_reader.__file__))
    processes, slow = set(), {}
    try:
        await pool.read(b"Subject: x\r\n\r\nx", ENVELOPE)
        for name, create in {**REJECTED, **READ}.items():
            seconds, process = await _read(pool, name, create)
            processes.add(process)
            if seconds > promised_seconds(MAX_SECONDS):
                slow[name] = round(seconds, 2)
    finally:
        await pool.close()
    assert not slow
    assert len(processes) == 1


async def _read(pool: ReaderPool, name: str, create: Callable[[], bytes]) -> tuple[float, int]:
    raw = create()
    started_at = perf_counter()
    if name in REJECTED:
        with pytest.raises(MailRejected):
            await pool.read(raw, ENVELOPE)
    else:
        await pool.read(raw, ENVELOPE)
    (child,) = pool._all
    return perf_counter() - started_at, child.process.pid
