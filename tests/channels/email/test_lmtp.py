"""The LMTP server gives one reply for each recipient, in their order."""

from collections.abc import AsyncIterator

import pytest

from agents.core.errors import StoreUnavailable
from channels.email.mail_intake import SessionLimits
from tests.channels.email.recording_receiver import RecordingRuntime
from tests.channels.email.smtp_client import (
    ANY_PORT,
    BOT,
    MAIL,
    TOKENS,
    SmtpDialogue,
    running_listener,
    smtp_dialogue,
)

RECIPIENTS = (BOT, "nobody@bot.test", TOKENS.thread_address("thr_0123456789"), TOKENS.person_address("a@corp.test"))


@pytest.fixture
def runtime() -> RecordingRuntime:
    return RecordingRuntime()


@pytest.fixture
async def client(runtime: RecordingRuntime) -> AsyncIterator[SmtpDialogue]:
    async with (
        running_listener(runtime, smtp_listen=None, lmtp_listen=ANY_PORT) as listener,
        smtp_dialogue(listener.ports[0], "LHLO mx.test") as dialogue,
    ):
        yield dialogue


async def read_replies(client: SmtpDialogue, count: int) -> list[str]:
    """Return so many replies, and assert that the next reply belongs to the next command."""
    replies = [await client.read_reply() for _ in range(count)]
    assert await client.command("NOOP") == "250 OK"
    return replies


async def test_each_accepted_recipient_gets_a_reply(client, runtime):
    replies = await client.start_mail(RECIPIENTS)
    assert [reply[:3] for reply in replies] == ["250", "250", "550", "250", "250", "354"]
    client.send(MAIL + b".\r\n")
    assert await read_replies(client, 3) == ["250 2.0.0 Stored"] * 3
    (envelope,) = runtime.receiver.envelopes
    assert (envelope.protocol, envelope.recipients) == ("lmtp", (RECIPIENTS[0], *RECIPIENTS[2:]))


async def test_repeated_delivery_is_one_input(client, runtime):
    for _ in range(2):
        await client.start_mail(RECIPIENTS)
        client.send(MAIL + b".\r\n")
        await read_replies(client, 3)
    assert runtime.receiver.mails == [MAIL]


async def test_same_recipient_twice_gets_two_replies(client, runtime):
    await client.start_mail([BOT, BOT])
    client.send(MAIL + b".\r\n")
    assert await read_replies(client, 2) == ["250 2.0.0 Stored"] * 2
    assert runtime.receiver.envelopes[0].recipients == (BOT,)


@pytest.mark.parametrize(
    ("content", "error", "reply"),
    [(MAIL, StoreUnavailable(), "451 4.3.0"), (b"bare\nLF\r\n", None, "554 5.6.0"), (b"", None, "250 2.0.0")],
)
async def test_every_recipient_gets_the_same_reply(client, runtime, content, error, reply):
    runtime.receiver.error = error
    await client.start_mail(RECIPIENTS)
    client.send(content + b".\r\n")
    assert [(await client.read_reply())[:9] for _ in range(3)] == [reply] * 3


async def test_too_big_mail_gets_552_for_each_recipient(runtime):
    settings = {"smtp_listen": None, "lmtp_listen": ANY_PORT}
    async with (
        running_listener(runtime, SessionLimits(size=1000), **settings) as listener,
        smtp_dialogue(listener.ports[0], "LHLO mx.test") as client,
    ):
        await client.start_mail(RECIPIENTS)
        client.send(b"x" * 1500 + b"\r\n.\r\n")
        assert await read_replies(client, 3) == ["552 5.3.4 Message too big"] * 3
    assert runtime.receiver.mails == []


@pytest.mark.parametrize("greeting", ["HELO x", "EHLO x"])
async def test_smtp_greetings_are_refused(client, greeting):
    assert (await client.command(greeting)).startswith("500 5.5.1")


async def test_both_servers_run_at_once(runtime):
    async with running_listener(runtime, lmtp_listen=ANY_PORT) as listener:
        smtp, lmtp = listener.ports
        async with smtp_dialogue(smtp) as client:
            await client.send_mail()
        async with smtp_dialogue(lmtp, "LHLO x") as client:
            await client.send_mail(MAIL + b"2\r\n")
    assert [envelope.protocol for envelope in runtime.receiver.envelopes] == ["smtp", "lmtp"]
