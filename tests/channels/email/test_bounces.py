"""Bounces of several mail servers are read; delays, receipts and absence messages are no failures."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.bounces import MAX_REPORT_BYTES, Bounce, read_bounce
from channels.email.tokens import MailTokens
from tests.fakes.email.bounces import (
    exchange_bounce,
    exim_bounce,
    gmail_bounce,
    out_of_office,
    postfix_bounce,
    qmail_bounce,
    read_receipt,
)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (postfix_bounce(), "5.1.1"),
        (exchange_bounce(), "5.1.10"),
        (gmail_bounce(), "5.2.1"),
        (exim_bounce(), "5.7.1"),
        (qmail_bounce(), "5.1.1"),
    ],
    ids=["Postfix", "Exchange", "Gmail", "Exim", "qmail"],
)
def test_bounce_of_each_server_is_a_permanent_failure(raw: bytes, status: str) -> None:
    assert read_bounce(raw) == Bounce(status, is_permanent=True)
    assert read_bounce(raw.replace(b"\r\n", b"\n")) == Bounce(status, is_permanent=True)


def test_failure_after_days_of_temporary_errors_is_permanent() -> None:
    assert read_bounce(postfix_bounce("4.4.1", "failed")) == Bounce("4.4.1", is_permanent=True)


@pytest.mark.parametrize(
    ("status", "action"),
    [("4.4.1", "delayed"), ("4.7.1", "Delayed (still trying)"), ("2.0.0", "delivered"), ("2.0.0", "relayed")],
)
def test_delay_and_success_are_no_failure(status: str, action: str) -> None:
    assert read_bounce(postfix_bounce(status, action)) == Bounce(status, is_permanent=False)


def test_report_without_a_status_code_is_read_by_its_action() -> None:
    assert read_bounce(postfix_bounce("unknown")) == Bounce("5.0.0", is_permanent=True)
    assert read_bounce(postfix_bounce("unknown", "unknown")) is None


def test_failure_of_one_recipient_counts_among_several() -> None:
    raw = postfix_bounce("2.0.0", "delivered").replace(
        b"Final-Recipient: rfc822; alice",
        b"Final-Recipient: rfc822; a@x.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\nFinal-Recipient: rfc822; alice",
    )
    assert read_bounce(raw) == Bounce("5.1.1", is_permanent=True)


@pytest.mark.parametrize(
    "raw", [out_of_office(), read_receipt(), b"", b"Subject: hello\r\n\r\nHello\r\n"], ids=range(4)
)
def test_other_mail_at_the_return_path_is_no_bounce(raw: bytes) -> None:
    assert read_bounce(raw) is None


def test_status_in_a_forwarded_mail_does_not_count() -> None:
    forwarded = b"Content-Type: message/rfc822\r\n\r\n" + postfix_bounce()
    mixed = (
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n\r\nLook\r\n--x\r\n' + forwarded + b"\r\n--x--\r\n"
    )
    assert read_bounce(forwarded) is None
    assert read_bounce(mixed) is None


def test_return_path_of_another_installation_is_ignored() -> None:
    key = "thr_1:message"
    ours, theirs = MailTokens("bot@bot.test", b"ours"), MailTokens("bot@bot.test", b"theirs")
    assert ours.parse_recipient(ours.return_path(key)) is not None
    assert ours.parse_recipient(theirs.return_path(key)) is None


def test_report_in_front_of_a_large_returned_mail_is_read() -> None:
    raw = postfix_bounce().replace(b"APPROVE?", b"x" * 70 * 20_000)
    assert len(raw) > MAX_REPORT_BYTES
    assert read_bounce(raw) == Bounce("5.1.1", is_permanent=True)


@given(
    st.sampled_from([postfix_bounce(), exim_bounce(), qmail_bounce()]), st.binary(max_size=40), st.integers(0, 3_000)
)
def test_any_damaged_mail_is_read_without_an_error(raw: bytes, inserted: bytes, position: int) -> None:
    read_bounce(raw[:position] + inserted + raw[position + len(inserted) :])
    read_bounce(inserted)


@pytest.mark.parametrize(
    "piece", [b"<", b"a@b.test ", b"\n", b"  <a@b.test>:\n", b"550 5.1.1 ", b"> ", b"x" * 80 + b"\n"], ids=repr
)
def test_hostile_text_is_read_in_a_second(piece: bytes) -> None:
    raw = b"Subject: failure notice\r\n\r\n" + piece * (1_000_000 // len(piece))
    started_at = time.process_time()
    read_bounce(raw)
    assert time.process_time() - started_at < 1
