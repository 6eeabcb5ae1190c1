"""Any bytes give a ParsedMail or MailRejected, and the parsed mail survives the way through the reader process."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.email.prescan import prescan
from channels.email.reader import _read, read_mail
from channels.email.values import DnsUnavailable, MailEnvelope, MailRejected, ParsedMail, SenderVerdict
from tests.fakes.email.composers import mail
from tests.fakes.email.make_corpus import list_cases
from tests.slow_cases import example_count

ENVELOPE = MailEnvelope(mail_from="", recipients=(), peer="127.0.0.1", helo="", protocol="smtp")
MAILS = [case.mail for case in list_cases()]
FRAGMENTS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"=?utf-8?b?",
    b"=?x?q?=80?=",
    b"--=_part_1",
    b"--=_part_1--",
    b": ",
    b";",
    b'"',
    b"Content-Type: text/html; charset=\xff\r\n",
    b"Content-Type: multipart/mixed; boundary=\xff\r\n",
    b"<",
    b">",
    b"=\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: x-uuencode\r\n",
    b"begin 644 a\r\n",
    b"end\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Type: message/delivery-status\r\n",
    b"Date: Mon, 99 Foo 0000\r\n",
    b"Date: Mon, 31 Dec 9999 23:59:59 -2300\r\n",
    b"Content-Disposition: attachment; filename*=x'y'%\r\n",
    b"\r\n\r\n",
    b"Message-ID: <\xe9@x>\r\n",
    b"Subject: \xf0\x9f\x98\r\n",
    b"Content-Type: text/plain; format=flowed; delsp=yes\r\n",
    b"-----BEGIN PGP SIGNED MESSAGE-----\r\n",
    b"> ",
    b"On ",
    b" wrote:\r\n",
    b"Content-Type: \r\n",
    b"Content-Type: a\r\n",
    b"Content-Type: multipart/alternative\r\n",
    b"Content-Type: text/plain; charset*0=a; charset*1=b\r\n",
]


def check_sender(_raw: bytes, from_headers: object, _envelope: MailEnvelope) -> SenderVerdict:
    assert isinstance(from_headers, list)
    return SenderVerdict(address=None, is_authenticated=False, method="none", reason="test")


def read(raw: bytes) -> None:
    """Read a mail by the rules only: `read_mail` would turn an error that no rule foresees into MailRejected."""
    with suppress(MailRejected):
        prescan(raw)
        parsed = _read(raw, ENVELOPE, check_sender)
        assert ParsedMail.model_validate_json(parsed.model_dump_json()) == parsed


@st.composite
def mutated_mails(draw: st.DrawFn) -> bytes:
    """Return a mail of the corpus in which pieces are replaced, repeated or cut."""
    raw = draw(st.sampled_from(MAILS))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(raw)))
        end = min(len(raw), start + draw(st.sampled_from([0, 0, 1, 3, 20, 400])))
        raw = raw[:start] + draw(st.sampled_from(FRAGMENTS) | st.binary(max_size=4)) + raw[end:]
    return raw


@given(st.binary(max_size=500) | st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=8)).map(b"".join))
def test_any_bytes_are_read_or_rejected(raw: bytes) -> None:
    read(raw)


@settings(max_examples=example_count(4))
@given(mutated_mails())
def test_damaged_mails_are_read_or_rejected(raw: bytes) -> None:
    read(raw)


def test_every_beginning_of_a_mail_is_read_or_rejected() -> None:
    for raw in MAILS[::15]:
        for end in range(0, len(raw), 17):
            read(raw[:end])


def test_missing_dns_and_memory_are_not_blamed_on_the_mail() -> None:
    def without_dns(*_: object) -> SenderVerdict:
        raise DnsUnavailable

    def without_memory(*_: object) -> SenderVerdict:
        raise MemoryError

    for check, error in ((without_dns, DnsUnavailable), (without_memory, MemoryError)):
        with pytest.raises(error):
            read_mail(mail("Hello"), ENVELOPE, check)


def test_unexpected_error_rejects_the_mail_without_its_content() -> None:
    def fail(*_: object) -> SenderVerdict:
        raise ValueError("secret")

    with pytest.raises(MailRejected, match=r"^the mail cannot be read: ValueError$"):
        read_mail(mail("Hello"), ENVELOPE, fail)


def test_ids_date_and_headers_are_read() -> None:
    parsed = read_mail(
        mail("Hello", headers=["References: <a@b>\r\n\t<c@d>", "Auto-Submitted: auto-replied", "X-Other: x"]),
        ENVELOPE,
        check_sender,
    )
    assert parsed.message_id == "<reply-1@corp.test>"
    assert parsed.references[-2:] == ("<a@b>", "<c@d>")
    assert parsed.date is not None
    assert parsed.date.isoformat() == "2026-11-30T09:58:01+00:00"
    assert parsed.headers["auto-submitted"] == ("auto-replied",)
    assert "x-other" not in parsed.headers


def test_only_the_last_hundred_references_are_kept() -> None:
    raw = mail("Hello", headers=["References: " + " ".join(f"<{n}@x>" for n in range(300))])
    references = read_mail(raw, ENVELOPE, check_sender).references
    assert (len(references), references[-1]) == (100, "<299@x>")


def test_all_from_headers_reach_the_sender_check() -> None:
    seen: list[object] = []

    def record(_raw: bytes, from_headers: object, envelope: MailEnvelope) -> SenderVerdict:
        seen.append(from_headers)
        return check_sender(_raw, from_headers, envelope)

    read_mail(mail("Hello", headers=["From: Eve <eve@evil.test>"]), ENVELOPE, record)
    assert seen == [["Bob Berg <bob@corp.test>", "Eve <eve@evil.test>"]]
