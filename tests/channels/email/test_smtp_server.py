"""The SMTP server acknowledges a mail after it is stored, and its replies contain nothing of an error."""

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.errors import ConfigurationError, StoreUnavailable
from channels.email.config import EmailSettings, ListenAddress
from channels.email.listener import MailListener
from channels.email.mail_intake import SessionLimits, compute_input_key
from channels.email.smtp_server import decode_data
from channels.email.values import MailEnvelope
from tests.channels.email.recording_receiver import RECEIVED_AT, RecordingRuntime
from tests.channels.email.smtp_client import (
    BOT,
    MAIL,
    TOKENS,
    SmtpDialogue,
    running_listener,
    smtp_dialogue,
    stuff_dots,
)
from tests.fakes.email.certificates import ServerCertificate
from tests.harness.time_limits import promised_seconds

THREAD_ADDRESS = TOKENS.thread_address("thr_0123456789")


@pytest.fixture
def runtime() -> RecordingRuntime:
    return RecordingRuntime()


@pytest.fixture
async def client(runtime: RecordingRuntime) -> AsyncIterator[SmtpDialogue]:
    async with running_listener(runtime) as listener, smtp_dialogue(listener.ports[0]) as dialogue:
        yield dialogue


async def test_stores_the_mail_with_its_envelope_before_the_250(client, runtime):
    runtime.receiver.may_commit.clear()
    await client.start_mail()
    client.send(MAIL + b".\r\n")
    await runtime.receiver.started.wait()
    assert not client.reader._buffer
    runtime.receiver.may_commit.set()
    assert await client.read_reply() == "250 2.0.0 Stored"
    (stored,), (envelope,) = runtime.receiver.inputs.values(), runtime.receiver.envelopes
    assert (stored.content, stored.group, stored.received_at) == (MAIL, "127.0.0.1 alice@corp.test", RECEIVED_AT)
    assert (envelope.mail_from, envelope.recipients, envelope.peer) == ("alice@corp.test", (BOT,), "127.0.0.1")
    assert (envelope.helo, envelope.protocol, envelope.is_tls) == ("client.test", "smtp", False)


@pytest.mark.parametrize("error", [StoreUnavailable(), RuntimeError("password=secret")])
async def test_failed_commit_is_451_and_the_retry_is_stored(client, runtime, error):
    runtime.receiver.error = error
    assert await client.send_mail() == "451 4.3.0 Temporary local problem, please try again later"
    runtime.receiver.error = None
    assert await client.send_mail() == "250 2.0.0 Stored"
    assert runtime.receiver.mails == [MAIL]


async def test_repeated_delivery_is_acknowledged_and_stored_once(client, runtime):
    for trace in (b"Received: from a\r\n\tby b; 10:00\r\n", b"Return-Path: <a@b>\r\nReceived: from a; 10:05\r\n"):
        assert await client.send_mail(trace + MAIL) == "250 2.0.0 Stored"
    assert len(runtime.receiver.inputs) == 1
    await client.send_mail(MAIL + b"more\r\n")
    assert len(runtime.receiver.inputs) == 2


@pytest.mark.parametrize(
    ("recipient", "reply"),
    [
        (BOT, "250"),
        (BOT.upper(), "250"),
        (THREAD_ADDRESS, "250"),
        (TOKENS.return_path("thr_0123456789:key"), "250"),
        (TOKENS.request_address("req_0123456789", "ab" * 32, "bob@corp.test"), "250"),
        (THREAD_ADDRESS.replace("@", "a@"), "550 5.1.1"),
        (TOKENS.return_path("thr_0123456789:key").replace("+b", "+t"), "550 5.1.1"),
        ("bot+anything@bot.test", "550 5.1.1"),
        ("other@bot.test", "550 5.1.1"),
        ("bot@other.test", "550 5.1.1"),
        ("", "550 5.1.1"),
    ],
)
async def test_accepts_the_address_of_the_bot_and_its_tokens_only(client, recipient, reply):
    await client.command("MAIL FROM:<alice@corp.test>")
    assert (await client.command(f"RCPT TO:<{recipient}>")).startswith(reply)


async def test_mails_with_a_token_form_a_group_of_their_own(client, runtime):
    await client.send_mail(recipients=[BOT, THREAD_ADDRESS])
    await client.start_mail(sender="")
    client.send(MAIL + b".\r\n")
    await client.read_reply()
    assert [stored.group for stored in runtime.receiver.inputs.values()] == [THREAD_ADDRESS, "127.0.0.1 <>"]
    assert [envelope.mail_from for envelope in runtime.receiver.envelopes] == ["alice@corp.test", ""]


async def test_eleventh_recipient_gets_452_and_the_mail_goes_to_ten(client, runtime):
    addresses = [TOKENS.thread_address(f"thr_{number}") for number in range(11)]
    replies = await client.start_mail(addresses)
    assert [reply[:9] for reply in replies[1:-1]] == ["250 2.1.5"] * 10 + ["452 4.5.3"]
    client.send(MAIL + b".\r\n")
    assert (await client.read_reply()).startswith("250")
    assert runtime.receiver.envelopes[0].recipients == tuple(addresses[:10])


async def test_3000_recipients_end_the_session_within_a_second(client):
    started_at = time.perf_counter()
    client.send(b"MAIL FROM:<a@b.test>\r\n" + f"RCPT TO:<{BOT}>\r\n".encode() * 3000)
    replies = [reply async for reply in _all_replies(client)]
    assert replies[-1].startswith("421 4.7.0")
    assert len(replies) < 60
    assert time.perf_counter() - started_at < promised_seconds(5)


async def _all_replies(client):
    while reply := await client.read_reply():
        yield reply


@pytest.mark.parametrize("flood", [b"\r\n", b"RCPT TO:<x>\r\n", b"NOOP\r\n", b"BOGUS\r\n", b"EHLO x\r\n", b"\xff\r\n"])
async def test_flood_of_commands_ends_the_session(client, flood):
    client.send(flood * 10_000)
    replies = [reply async for reply in _all_replies(client)]
    assert replies[-1][:3] in ("421", "502")
    assert len(replies) < 60


async def test_session_may_send_any_number_of_mails(client, runtime):
    for number in range(60):
        assert await client.send_mail(MAIL + b"%d\r\n" % number) == "250 2.0.0 Stored"
    assert len(runtime.receiver.inputs) == 60


async def test_too_big_mail_gets_552_and_the_session_goes_on(runtime):
    async with (
        running_listener(runtime, SessionLimits(size=200_000)) as listener,
        smtp_dialogue(listener.ports[0]) as client,
    ):
        assert (await client.command("MAIL FROM:<a@b.test> SIZE=200001")) == "552 5.3.4 Message too big"
        assert (await client.send_mail(b"x" * 199_998 + b"\r\n")).startswith("250")
        assert await client.send_mail(b"x" * 199_999 + b"\r\n") == "552 5.3.4 Message too big"
        assert (await client.send_mail()).startswith("250")
        assert await client.send_mail(b"x" * 500_000) == "552 5.3.4 Message too big"
        assert await client.read_reply() == ""
    assert [len(mail) for mail in runtime.receiver.mails] == [200_000, len(MAIL)]


async def test_full_buffers_of_the_listener_give_452(runtime):
    async with (
        running_listener(runtime, SessionLimits(buffered_size=100_000)) as listener,
        smtp_dialogue(listener.ports[0]) as client,
        smtp_dialogue(listener.ports[0]) as other,
    ):
        await other.start_mail()
        other.send(b"x" * 300_000)
        await other.writer.drain()
        assert (await client.send_mail(b"y" * 300_000 + b"\r\n")).startswith("452 4.3.1")
        other.send(b"\r\n.\r\n")
        assert (await other.read_reply()).startswith("452 4.3.1")
        assert (await client.send_mail()).startswith("250")


async def test_text_of_an_error_never_reaches_the_client(client, runtime):
    runtime.receiver.inputs = None
    assert await client.send_mail() == "451 4.3.0 Temporary local problem, please try again later"
    assert [fields["error"].__class__ for _, fields in runtime.lines] == [TypeError]


@pytest.mark.parametrize("command", ["EXPN list", "HELP", "AUTH PLAIN AGEAYg==", "LHLO x"])
async def test_commands_that_disclose_something_do_not_exist(client, command):
    assert (await client.command(command)).startswith("500")


async def test_input_of_clients_is_not_logged(client, runtime, caplog):
    await client.command("BOGUS secret-command")
    await client.send_mail()
    assert (caplog.records, "secret" in str(runtime.lines)) == ([], False)
    assert runtime.lines == [("inbound_accepted", {"channel": "email", "outcome": "stored"})]


async def test_extensions_are_size_8bitmime_and_smtputf8(client):
    assert (await client.command("EHLO x")).split("\n") == [
        "250-bot.test",
        "250-8BITMIME",
        "250-SMTPUTF8",
        "250 SIZE 26214400",
    ]


@pytest.mark.parametrize(
    ("path", "reply"),
    [
        ("<alice@corp.test> BODY=8BITMIME SMTPUTF8", "250"),
        ("<@relay.test,@other.test:alice@corp.test>", "250"),
        ('<"a b"@corp.test>', "250"),
        ("<jürgen@corp.test>", "250"),
        ("<>", "250"),
        ("<a b@corp.test>", "553"),
        ("<alice@corp.test", "553"),
        ("<a@b> <c@d>", "501"),
        ("<\x0calice\x07@corp.test>", "553"),
    ],
)
async def test_paths_follow_rfc_5321(client, path, reply):
    assert (await client.command(f"MAIL FROM:{path}")).startswith(reply)


async def test_bytes_that_are_no_utf8_are_refused_as_a_sender(client):
    client.send(b"MAIL FROM:<\xff\xfe@corp.test>\r\n")
    assert (await client.read_reply()).startswith("553")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> ServerCertificate:
    return ServerCertificate.create(tmp_path_factory.mktemp("tls"))


async def test_starttls_drops_pipelined_text(runtime, certificate):
    tls_files = {"smtp_tls_cert": certificate.certificate_file, "smtp_tls_key": certificate.key_file}
    async with running_listener(runtime, **tls_files) as listener, smtp_dialogue(listener.ports[0], "") as client:
        await client.read_reply()
        assert "250-STARTTLS" in await client.command("EHLO client.test")
        client.send(b"STARTTLS\r\nMAIL FROM:<mallory@evil.test>\r\n")
        assert (await client.read_reply()).startswith("220")
        await client.writer.start_tls(
            ssl.create_default_context(cafile=certificate.ca_file), server_hostname="localhost"
        )
        assert "STARTTLS" not in (hello := await client.command("EHLO client.test"))
        assert "AUTH" not in hello
        assert (await client.command(f"RCPT TO:<{BOT}>")).startswith("503")
        assert (await client.send_mail()).startswith("250")
    assert [(envelope.is_tls, envelope.mail_from) for envelope in runtime.receiver.envelopes] == [
        (True, "alice@corp.test")
    ]


async def test_failed_tls_handshake_ends_the_session_only(runtime, certificate):
    tls_files = {"smtp_tls_cert": certificate.certificate_file, "smtp_tls_key": certificate.key_file}
    async with running_listener(runtime, **tls_files) as listener:
        async with smtp_dialogue(listener.ports[0]) as client:
            await client.command("STARTTLS")
            client.send(b"this is no TLS\r\n" * 100)
            while await client.reader.read(1000):  # a TLS alert
                pass
        async with smtp_dialogue(listener.ports[0]) as client:
            assert (await client.send_mail()).startswith("250")
        assert [fields.get("level") for event, fields in runtime.lines if event == "inbound_rejected"] == ["warning"]
        assert len(listener._registries[0].sessions) <= 1


async def test_connection_lost_within_a_mail_stores_nothing(runtime):
    async with running_listener(runtime, SessionLimits(connections=1)) as listener:
        (port,) = listener.ports
        for _ in range(3):
            async with smtp_dialogue(port) as client:
                await client.start_mail()
                client.send(b"From: alice@corp.test\r\n\r\nhalf of a mail\r\n")
                await client.writer.drain()
                (session,) = listener._registries[0].sessions
                client.writer.transport.abort()
                await asyncio.wait([session._handler_coroutine])
                await asyncio.sleep(0)
    assert runtime.receiver.mails == []


@pytest.mark.parametrize(
    ("limits", "lines"),
    [
        (SessionLimits(idle_seconds=0.05), ()),
        (SessionLimits(data_seconds=0.05), ("MAIL FROM:<a@b.test>", f"RCPT TO:<{BOT}>", "DATA", "text")),
    ],
)
async def test_silent_client_gets_421_and_is_disconnected(runtime, limits, lines):
    async with running_listener(runtime, limits) as listener, smtp_dialogue(listener.ports[0], "") as client:
        client.send("\r\n".join([*(("EHLO x",) if lines else ()), *lines, ""]).encode())
        replies = [reply async for reply in _all_replies(client)]
        assert replies[-1] == "421 4.4.2 Timeout"
    assert runtime.receiver.mails == []


async def test_stop_finishes_the_running_transfer_and_answers_421(runtime):
    runtime.receiver.may_commit.clear()
    async with (
        running_listener(runtime) as listener,
        smtp_dialogue(listener.ports[0]) as sender,
        smtp_dialogue(listener.ports[0]) as idle,
    ):
        await sender.start_mail()
        sender.send(MAIL + b".\r\n")
        await runtime.receiver.started.wait()
        (port,) = listener.ports
        stopping = asyncio.create_task(listener.stop())
        assert await idle.read_reply() == "421 4.3.2 Shutting down"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        runtime.receiver.may_commit.set()
        assert await sender.read_reply() == "250 2.0.0 Stored"
        assert await sender.read_reply() == "421 4.3.2 Shutting down"
        await stopping


async def test_stop_gives_up_a_transfer_that_does_not_end(runtime):
    async with (
        running_listener(runtime, SessionLimits(stop_seconds=0.05)) as listener,
        smtp_dialogue(listener.ports[0]) as client,
    ):
        await client.start_mail()
        client.send(b"unfinished")
        await listener.stop()
        assert await client.read_reply() == "421 4.3.2 Shutting down"
    assert runtime.receiver.mails == []


async def test_configured_address_in_use_is_an_error_and_the_default_is_not(runtime):
    async with running_listener(runtime) as other:
        address = ListenAddress(host="127.0.0.1", port=other.ports[0])
        explicit = MailListener(EmailSettings(smtp_listen=address), TOKENS)
        with pytest.raises(ConfigurationError, match="SMTP_LISTEN: cannot listen on 127.0.0.1"):
            await explicit.start(runtime)
        default = MailListener(EmailSettings.model_construct(_fields_set=set(), smtp_listen=address), TOKENS)
        await default.start(runtime)
        assert default.ports == ()
        assert runtime.lines[-1][0] == "channel_not_started"
        with pytest.raises(ConfigurationError, match="LMTP_LISTEN"):
            await MailListener(EmailSettings(smtp_listen=None, lmtp_listen=address), TOKENS).start(runtime)


async def test_unusable_tls_files_are_named(runtime, certificate, tmp_path):
    with pytest.raises(ConfigurationError, match="SMTP_TLS_KEY is missing"):
        await MailListener(EmailSettings(smtp_tls_cert=tmp_path / "x"), TOKENS).start(runtime)
    settings = EmailSettings(smtp_tls_cert=certificate.certificate_file, smtp_tls_key=certificate.ca_file)
    with pytest.raises(ConfigurationError, match="must be PEM files"):
        await MailListener(settings, TOKENS).start(runtime)


_WORDS = st.sampled_from(
    [b"MAIL FROM:", b"RCPT TO:", b"EHLO", b"HELO", b"DATA", b"RSET", b"NOOP", b"VRFY", b"STARTTLS", b"AUTH", b"HELP"]
)
_PATHS = st.sampled_from(
    [
        b"",
        b" ",
        b"<>",
        b"<a@b.test>",
        b"<bot@bot.test>",
        b"<",
        b'<"@>',
        b"<@:>",
        b"(c) a@b",
        b"\xff\xfe",
        "<ü@b>".encode(),
    ]
)
_OPTIONS = st.sampled_from([b"", b" SIZE=9", b" SIZE=x", b" BODY=X", b" SMTPUTF8", b" SMTPUTF8=1", b" X=Y=Z"])
_ARGUMENTS = st.tuples(_PATHS, _OPTIONS).map(b"".join) | st.binary(max_size=30).map(
    lambda line: line.translate(None, b"\r\n")
)


@given(st.lists(st.tuples(_WORDS, _ARGUMENTS).map(b" ".join) | st.binary(max_size=20), max_size=12))
@settings(max_examples=40)
async def test_any_input_gets_replies_without_the_text_of_an_error(lines):
    runtime = RecordingRuntime()
    async with running_listener(runtime) as listener, smtp_dialogue(listener.ports[0]) as client:
        client.send(b"\r\n".join([*lines, b".", b"QUIT", b""]))
        replies = [reply async for reply in _all_replies(client)]
    assert all(re.match(r"[2-5][0-9]{2}[ -]", line) for reply in replies for line in reply.split("\n"))
    assert replies
    assert not any("Error: (" in reply or reply.startswith("451") for reply in replies)
    assert [fields for event, fields in runtime.lines if event == "inbound_rejected"] == []


@given(st.lists(st.binary(max_size=12).map(lambda line: line.translate(None, b"\r\n\0"))))
def test_dot_stuffing_is_undone(lines):
    content = b"".join(line + b"\r\n" for line in lines)
    assert decode_data(b"\r\n" + stuff_dots(content)) == content


@given(st.binary(), st.sampled_from([b"\r", b"\n", b"\0", b"\n\r"]), st.binary())
def test_bare_line_ends_and_nul_are_found(before, bare, after):
    left, right = (part.translate(None, b"\r\n\0") for part in (before, after))
    assert decode_data(b"\r\n" + left + bare + right + b"\r\n") is None


@given(st.lists(st.sampled_from([BOT, THREAD_ADDRESS, BOT.upper()]), min_size=1), st.binary())
def test_input_key_ignores_order_and_case_of_recipients(recipients, content):
    fields = {"mail_from": "alice@corp.test", "helo": "client.test", "protocol": "smtp"}
    envelope = MailEnvelope(recipients=tuple(recipients), peer="192.0.2.1", **fields)
    key = compute_input_key(envelope, content)
    reordered = tuple(to.swapcase() for to in reversed(recipients))
    assert compute_input_key(envelope.model_copy(update={"recipients": reordered}), content) == key
    assert compute_input_key(envelope, content + b"x") != key
    assert compute_input_key(envelope.model_copy(update={"peer": "192.0.2.2"}), content) != key


async def test_invented_request_tokens_do_not_make_groups(client, runtime):
    for number in range(2):
        invented = BOT.replace("@", f"+r{number}{'0' * 8}{'a' * 16}@")
        assert (await client.send_mail(MAIL + b"%d\r\n" % number, recipients=[invented])).startswith("250")
    assert {stored.group for stored in runtime.receiver.inputs.values()} == {"127.0.0.1 alice@corp.test"}
