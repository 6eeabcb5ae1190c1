"""The fake mail server behaves as a real one towards the client of the standard library."""

import asyncio
import smtplib
import ssl

import pytest

from tests.fakes.email.certificates import ServerCertificate
from tests.fakes.email.smtp_sink import running_sink

MAIL = "Subject: x\r\n\r\nhello\r\n"


def send(port: int, *, tls: ssl.SSLContext | None = None, user: str = "") -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=30) as client:
        if tls is not None:
            client.starttls(context=tls)
        if user:
            client.login(user, "secret")
        client.sendmail("a@b.test", ["c@d.test"], MAIL)


async def test_keeps_a_mail_with_its_envelope():
    async with running_sink() as sink:
        await asyncio.to_thread(send, sink.port)
        (mail,) = await sink.wait_for_mails(1)
        assert (mail.sender, mail.recipients, mail.content) == ("a@b.test", ("c@d.test",), MAIL.encode())
        assert mail.parse()["Subject"] == "x"


async def test_refuses_as_instructed_once():
    async with running_sink() as sink:
        sink.replies["RCPT"] = ["550 5.1.1 unknown"]
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            await asyncio.to_thread(send, sink.port)
        await asyncio.to_thread(send, sink.port)
        assert len(sink.mails) == 1


async def test_keeps_the_mail_that_it_does_not_confirm():
    async with running_sink() as sink:
        sink.faults.append("drop after the final dot")
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
            await asyncio.to_thread(send, sink.port)
        assert len(sink.mails) == 1


async def test_speaks_tls_and_checks_the_password(tmp_path):
    certificate = ServerCertificate.create(tmp_path)
    async with running_sink(certificate, offers_auth=True) as sink:
        tls = ssl.create_default_context(cafile=certificate.ca_file)
        await asyncio.to_thread(send, sink.port, tls=tls, user="bot")
        assert [(mail.is_tls, mail.user) for mail in sink.mails] == [(True, "bot")]
        sink.password = "other"
        with pytest.raises(smtplib.SMTPAuthenticationError):
            await asyncio.to_thread(send, sink.port, tls=tls, user="bot")
