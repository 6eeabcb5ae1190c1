"""Raw SMTP client for tests, and a listener on a free port."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from channels.email.config import EmailSettings, ListenAddress
from channels.email.listener import MailListener
from channels.email.mail_intake import SessionLimits
from channels.email.tokens import MailTokens
from tests.channels.email.recording_receiver import RecordingRuntime
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

BOT = "bot@bot.test"
TOKENS = MailTokens(BOT, b"key of the tests")
ANY_PORT = ListenAddress(host="127.0.0.1", port=0)
MAIL = b"From: alice@corp.test\r\nSubject: hello\r\nMessage-ID: <1@corp.test>\r\n\r\ndeploy\r\n"


@asynccontextmanager
async def running_listener(
    runtime: RecordingRuntime, limits: SessionLimits | None = None, **settings: Any
) -> AsyncIterator[MailListener]:
    """Run a listener; without other settings it has an SMTP server only."""
    listener = MailListener(
        EmailSettings(**{"email_address": BOT, "smtp_listen": ANY_PORT, **settings}), TOKENS, limits or SessionLimits()
    )
    await listener.start(runtime)  # type: ignore[arg-type]  # a fake with the methods that listeners use
    try:
        yield listener
    finally:
        await listener.stop()


@dataclass
class SmtpDialogue:
    """Connection that sends lines as given and reads replies."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read_reply(self) -> str:
        """Return the next reply, the lines of a longer one separated by LF; empty at the end of the connection."""
        lines: list[str] = []
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while not lines or lines[-1][3:4] == "-":
                with suppress(ConnectionError):
                    lines.append((await self.reader.readline()).decode().removesuffix("\r\n"))
        return "\n".join(lines)

    async def command(self, line: str) -> str:
        """Send a line and return the reply."""
        self.send(f"{line}\r\n".encode())
        return await self.read_reply()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def start_mail(self, recipients: Sequence[str] = (BOT,), sender: str = "alice@corp.test") -> list[str]:
        """Send MAIL, RCPT and DATA and return the replies."""
        lines = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{to}>" for to in recipients), "DATA"]
        return [await self.command(line) for line in lines]

    async def send_mail(self, content: bytes = MAIL, recipients: Sequence[str] = (BOT,)) -> str:
        """Send a mail, with dots stuffed, and return the first reply to its data."""
        await self.start_mail(recipients)
        self.send(stuff_dots(content) + b".\r\n")
        return await self.read_reply()


def stuff_dots(content: bytes) -> bytes:
    """Return the content as RFC 5321 §4.5.2 sends it."""
    return (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]


@asynccontextmanager
async def smtp_dialogue(
    port: int, greeting: str = "EHLO client.test", *, source: str = "127.0.0.1"
) -> AsyncIterator[SmtpDialogue]:
    """Connect and greet the server, unless the greeting is empty: then the banner is still to be read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    dialogue = SmtpDialogue(reader, writer)
    try:
        if greeting:
            await dialogue.read_reply()
            await dialogue.command(greeting)
        yield dialogue
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
