"""Variants of the end of data with which SMTP smuggling hides a second mail in the first (CVE-2023-51764 and others).

A server in front may take such an end for text and pass it on. Here it must not begin a second mail.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.channels.email.recording_receiver import RecordingRuntime
from tests.channels.email.smtp_client import BOT, running_listener, smtp_dialogue

VARIANTS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\n.\r",
    b"\r.\r",
    b"\r.\n",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\r\n.\n",
    b"\n\n.\r\n",
    b"\r\r\n.\r\n",
    b"\r\n.\r\r\n",
    b"\r\n\r.\r\n",
    b"\r\n.\n\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\r\0\n.\r\n",
    b"\r\n. \r\n",
    b"\r\n.\t\r\n",
    b"\r\n..\r\n",
    b"\r\n \r\n .\r\n",
    b"\r\n\x0b.\r\n",
    b"\r\n\x0c.\r\n",
    b"\r\n\x85.\r\n",
    "\r\n\u2028.\r\n".encode(),
    b"\r\n=2E\r\n",
]
HIDDEN = b"\r\n".join(
    [b"MAIL FROM:<boss@corp.test>", b"RCPT TO:<bot@bot.test>", b"DATA", b"From: boss@corp.test", b"", b"APPROVE K7P2Q"]
)


async def send_script(data: bytes) -> tuple[RecordingRuntime, list[str]]:
    """Send data in one mail, end the session and return the replies after the 354."""
    runtime = RecordingRuntime()
    async with running_listener(runtime) as listener, smtp_dialogue(listener.ports[0]) as client:
        await client.start_mail()
        client.send(data)
        client.send(b"\r\n.\r\nQUIT\r\n")
        replies = []
        while reply := await client.read_reply():
            replies.append(reply)
    return runtime, replies


@pytest.mark.parametrize("variant", VARIANTS)
async def test_variant_of_the_end_hides_no_second_mail(variant):
    runtime, replies = await send_script(b"Subject: first\r\n\r\ntext" + variant + HIDDEN)
    assert len(runtime.receiver.inputs) <= 1
    assert [reply[:3] for reply in replies] in (["250", "221"], ["554"])
    assert {envelope.mail_from for envelope in runtime.receiver.envelopes} <= {"alice@corp.test"}


@given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"\0", b" ", b"x"]), max_size=12).map(b"".join))
@settings(max_examples=25)
async def test_mixtures_end_the_mail_only_with_crlf_dot_crlf(mixture):
    data = b"text" + mixture + b"x"
    runtime, replies = await send_script(data)
    first = data.partition(b"\r\n.\r\n")[0]
    is_valid = not set(first.replace(b"\r\n", b"")) & set(b"\r\n\0")
    assert replies[0][:3] == ("250" if is_valid else "554")
    assert len(replies) == 1 or is_valid
    assert len(runtime.receiver.inputs) == is_valid


async def test_end_that_is_split_over_packets_is_found():
    runtime = RecordingRuntime()
    async with running_listener(runtime) as listener, smtp_dialogue(listener.ports[0]) as client:
        for size in (65_530, 65_533, 65_536, 131_070):
            await client.start_mail()
            for part in (b"x" * size, b"\r", b"\n", b".", b"\r", b"\n"):
                client.send(part)
                await client.writer.drain()
            assert (await client.read_reply()).startswith("250")
    assert [len(mail) for mail in runtime.receiver.mails] == [65_532, 65_535, 65_538, 131_072]


async def test_pipelined_commands_after_the_end_are_executed():
    runtime = RecordingRuntime()
    async with running_listener(runtime) as listener, smtp_dialogue(listener.ports[0]) as client:
        one = b"MAIL FROM:<a@b.test>\r\nRCPT TO:<%s>\r\nDATA\r\n.one\r\n.\r\n" % BOT.encode()
        client.send(one + one.replace(b".one\r\n", b"") + one.replace(b"one", b"two") + b"QUIT\r\n")
        replies = [(await client.read_reply())[:3] for _ in range(13)]
    assert replies == ["250", "250", "354", "250"] * 3 + ["221"]
    assert runtime.receiver.mails == [b"one\r\n", b"", b"two\r\n"]
