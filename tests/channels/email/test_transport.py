"""The transport sends to one recipient, encrypts where it must, and maps each reply of the server to its error."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from agents.core.errors import ConfigurationError, DeliveryUncertain, Permanent, Unavailable
from channels.email.transport import SmtpServer, SmtpTransport
from channels.settings import NetworkSettings
from tests.fakes.email.certificates import ServerCertificate
from tests.fakes.email.smtp_sink import SmtpSink, running_sink

MAIL = b"From: bot@bot.test\r\nMessage-ID: <m1@bot.test>\r\n\r\n.hello\r\n"


def create_transport(sink: SmtpSink, url: str = "smtp://127.0.0.1:{}", *, tls=None, **timeouts: float) -> SmtpTransport:
    return SmtpTransport(SecretStr(url.format(sink.port)), tls or NetworkSettings({}).create_tls_context(), **timeouts)


async def send(transport: SmtpTransport, mail: bytes = MAIL, recipient: str = "bob@corp.test") -> None:
    await transport.send(mail, sender="bot+b1@bot.test", recipient=recipient, message_id="<m1@bot.test>")


@pytest.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    async with running_sink() as running:
        yield running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> ServerCertificate:
    return ServerCertificate.create(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def trusting(certificate):
    """Return the TLS context of a machine with SSL_CERT_FILE."""
    return NetworkSettings({"SSL_CERT_FILE": str(certificate.ca_file)}).create_tls_context()


async def test_sends_the_bytes_to_one_recipient_with_the_return_path(sink):
    await send(create_transport(sink))
    (mail,) = sink.mails
    assert (mail.sender, mail.recipients, mail.content) == ("bot+b1@bot.test", ("bob@corp.test",), MAIL)
    assert (mail.helo, mail.is_tls, mail.user) == ("bot.test", False, None)


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("450 4.7.1 greylisted", Unavailable),
        ("421 4.3.2 busy", Unavailable),
        ("550 5.1.1 unknown", Permanent),
        ("530 5.7.0 authentication required", ConfigurationError),
    ],
)
async def test_refusal_at_each_command_has_its_error(sink, command, reply, error):
    sink.replies[command] = [reply]
    with pytest.raises(error, match=reply) as raised:
        await send(create_transport(sink))
    assert type(raised.value) is error
    await send(create_transport(sink))
    assert len(sink.mails) == 1


@pytest.mark.parametrize("command", ["GREETING", "EHLO"])
@pytest.mark.parametrize("reply", ["554 5.7.1 blocked", "421 4.3.2 busy"])
async def test_refusal_before_the_mail_is_retried(sink, command, reply):
    sink.replies[command] = [reply]
    with pytest.raises(Unavailable, match=reply):
        await send(create_transport(sink))


async def test_connection_that_cannot_be_opened_is_retried(sink):
    transport = create_transport(sink)
    sink.port = 1
    with pytest.raises(Unavailable, match="the connection to the mail server failed") as raised:
        await send(create_transport(sink))
    assert not isinstance(raised.value, DeliveryUncertain)
    await send(transport)


@pytest.mark.parametrize("fault", ["drop at MAIL", "hang at MAIL"])
async def test_lost_connection_before_the_mail_is_no_uncertain_delivery(sink, fault):
    sink.faults.append(fault)
    with pytest.raises(Unavailable) as raised:
        await send(create_transport(sink, timeout_seconds=0.3))
    assert type(raised.value) is Unavailable
    assert sink.mails == []


@pytest.mark.parametrize("fault", ["drop after the final dot", "hang after the final dot"])
async def test_lost_connection_after_the_final_dot_is_uncertain(sink, fault):
    sink.faults.append(fault)
    transport = create_transport(sink, data_timeout_seconds=0.3)
    with pytest.raises(DeliveryUncertain):
        await send(transport)
    await send(transport)
    first, second = sink.mails
    assert first.content == second.content == MAIL


async def test_lost_connection_after_the_confirmation_is_no_error(sink):
    sink.faults.append("drop at QUIT")
    await send(create_transport(sink))
    assert sink.faults == []
    assert len(sink.mails) == 1


@pytest.mark.parametrize(
    ("url", "is_smtps"),
    [("smtps://127.0.0.1:{}", True), ("smtp://127.0.0.1:{}?starttls=required", False)],
)
async def test_required_tls_verifies_with_ssl_cert_file(certificate, trusting, url, is_smtps):
    async with running_sink(certificate, is_smtps=is_smtps) as sink:
        with pytest.raises(Unavailable, match="the certificate of the mail server is not valid"):
            await send(create_transport(sink, url))
        assert sink.mails == []
        await send(create_transport(sink, url, tls=trusting))
        assert [mail.is_tls for mail in sink.mails] == [True]


async def test_certificate_of_another_host_is_refused(tmp_path):
    certificate = ServerCertificate.create(tmp_path, "other.test")
    tls = NetworkSettings({"SSL_CERT_FILE": str(certificate.ca_file)}).create_tls_context()
    async with running_sink(certificate, is_smtps=True) as sink:
        with pytest.raises(Unavailable, match="the certificate of the mail server is not valid"):
            await send(create_transport(sink, "smtps://127.0.0.1:{}", tls=tls))


async def test_required_starttls_that_is_not_offered_is_a_configuration_error(sink):
    with pytest.raises(ConfigurationError, match="requires STARTTLS"):
        await send(create_transport(sink, "smtp://127.0.0.1:{}?starttls=required"))


async def test_offered_starttls_is_used_without_verification(certificate):
    async with running_sink(certificate) as sink:
        await send(create_transport(sink))
        assert [mail.is_tls for mail in sink.mails] == [True]


async def test_logs_in_with_decoded_user_and_password(certificate, trusting):
    async with running_sink(certificate, offers_auth=True) as sink:
        sink.password = "p@ss/w:rd"
        await send(
            create_transport(sink, "smtp://us%40er:p%40ss%2Fw%3Ard@127.0.0.1:{}?starttls=required", tls=trusting)
        )
        assert [mail.user for mail in sink.mails] == ["us@er"]


async def test_wrong_password_is_a_configuration_error_without_the_password():
    async with running_sink(offers_auth=True) as sink:
        transport = create_transport(sink, "smtp://user:wrong-password@127.0.0.1:{}")
        with pytest.raises(ConfigurationError, match="refuses the user or the password: 535") as raised:
            await send(transport)
        assert "wrong-password" not in f"{raised.value} {transport!r}"
        assert sink.mails == []


async def test_server_without_auth_is_a_configuration_error_for_a_user(sink):
    with pytest.raises(ConfigurationError, match="SMTP_URL"):
        await send(create_transport(sink, "smtp://user:secret@127.0.0.1:{}"))


async def test_password_needs_tls_except_on_this_machine():
    async with running_sink(offers_auth=True) as sink:
        transport = create_transport(sink, "smtp://user:secret@127.0.0.1:{}")
        await send(transport)
        assert sink.logins
        sink.logins.clear()
        server = SmtpServer("mail.test", sink.port, is_smtps=False, requires_starttls=False, user="user", password="x")
        client = transport._create_client(SmtpServer.from_url(transport.url), "bot@bot.test")
        with pytest.raises(ConfigurationError, match="the password is not sent without"):
            await transport._connect(client, server)
        client.close()
        assert sink.logins == []


@pytest.mark.parametrize(
    ("url", "port", "is_verified"),
    [
        ("smtp://mail.test", 25, False),
        ("smtp://user:pass@mail.test", 587, True),
        ("smtp://user:pass@127.0.0.1", 587, False),
        ("smtp://user:pass@[::1]:2525", 2525, False),
        ("smtps://mail.test", 465, True),
        ("smtp://mail.test?starttls=required", 25, True),
    ],
)
def test_url_has_the_usual_ports(url, port, is_verified):
    server = SmtpServer.from_url(SecretStr(url))
    assert (server.port, server.requires_verified_tls) == (port, is_verified)
    assert "pass" not in repr(server).replace("password", "")


async def test_address_that_smtp_cannot_carry_is_permanent(sink):
    with pytest.raises(Permanent, match="the address cannot be used in SMTP"):
        await send(create_transport(sink), recipient="jürgen@corp.test")
    with pytest.raises(Permanent, match="the address cannot be used in SMTP"):
        await send(create_transport(sink), recipient="bob@corp.test>\r\nRCPT TO:<eve@evil.test")
    assert sink.mails == []
