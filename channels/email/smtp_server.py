"""SMTP and LMTP sessions (RFC 5321, RFC 2033): a mail is acknowledged after it has been stored.

Private attributes of aiosmtpd are used in this module only. They are those that its own subclass for LMTP and its
examples need, and the reader's buffer, which aiosmtpd itself changes after STARTTLS.
"""

import asyncio
import re
import ssl
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, AnyStr, ClassVar, Literal

from aiosmtpd.smtp import SMTP, Envelope

from channels.email.mail_intake import TOO_BIG, MailIntake, run_sized
from channels.email.values import MailEnvelope

_COMMANDS = frozenset({"EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT", "STARTTLS", "VRFY"})
_END_OF_DATA = b"\r\n.\r\n"
_MAX_HELO_LENGTH = 255  # characters, RFC 5321 §4.5.3.1.2
_BARE_LINE_END = "554 5.6.0 Bare CR, bare LF or NUL in the message"
_INSUFFICIENT_STORAGE = "452 4.3.1 Too much mail at the moment, please try again later"

_PATH = re.compile(
    r"(?:<(?:@[^<>\s:]*:)?(?P<path>\"(?:[^\"\\]|\\.)*\"@[^<>\s\"]+|[^<>\s\"]*)>|(?P<bare>[^<>\s\"]+))(?P<rest>(?:\s.*)?)"
)
"""A path of MAIL or RCPT with its parameters (RFC 5321 §4.1.2). Source routes are ignored, as §4.1.1.3 demands."""


def decode_data(data: bytes) -> bytes | None:
    """Undo dot-stuffing (RFC 5321 §4.5.2) in data that begins with a CRLF; return None for bare CR, bare LF or NUL.

    Servers disagree about the end of such data, so that it can smuggle a second mail past them.
    """
    lines = data.count(b"\r\n")
    if data.count(b"\r") != lines or data.count(b"\n") != lines or b"\0" in data:
        return None
    return data.replace(b"\r\n.", b"\r\n")[2:]


class MailSession(SMTP):
    """Session of one SMTP client.

    `on_end` is called with the session, possibly twice, when its connection has ended. `get_buffered_size` returns the
    bytes that all sessions of the listener have buffered.
    """

    protocol: ClassVar[Literal["smtp", "lmtp"]] = "smtp"
    line_length_limit = 65_536
    command_size_limit = 1_024

    def __init__(
        self,
        intake: MailIntake,
        *,
        hostname: str,
        loop: asyncio.AbstractEventLoop,
        tls: ssl.SSLContext | None = None,
        on_end: Callable[["MailSession"], object],
        get_buffered_size: Callable[[], int],
    ) -> None:
        self.buffered_size = 0
        self.last_command_at = loop.time()
        self.peer = ""
        self._intake, self._limits = intake, intake.limits
        self._on_end, self._get_buffered_size = on_end, get_buffered_size
        self._counts: Counter[str] = Counter()
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        # The dictionary of the class belongs to all sessions, and each EHLO of any client would raise its limits.
        self.command_size_limits = defaultdict(lambda: self.command_size_limit)
        super().__init__(
            intake,
            data_size_limit=None,  # MailIntake announces and checks the size, with enhanced status codes
            enable_SMTPUTF8=True,
            hostname=hostname,
            ident=f"{'E' if self.protocol == 'smtp' else ''}{self.protocol.upper()} Handrail",
            tls_context=tls,
            timeout=self._limits.idle_seconds,
            loop=loop,
        )
        self._smtp_methods = {
            name: partial(self._run_command, name, method)
            for name, method in self._smtp_methods.items()
            if name in _COMMANDS
        }

    @property
    def is_receiving(self) -> bool:
        """Return whether a mail is being received or stored."""
        return not self._is_idle.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        is_first = self._handler_coroutine is None
        super().connection_made(transport)
        self.peer = peer_of(transport)
        task = self._handler_coroutine
        if is_first and task is not None:
            task.add_done_callback(_retrieve_error)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._on_end(self)

    async def shut_down(self, seconds: float) -> None:
        """Wait until the mail that is being received is stored, at most some seconds, and close the connection."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_idle.wait()
        self.close("421 4.3.2 Shutting down")

    def close(self, reply: str) -> None:
        """Send a last reply and close the connection, also that of a client that does not read."""
        if isinstance(self.transport, asyncio.WriteTransport) and not self.transport.is_closing():
            self.transport.write(f"{reply}\r\n".encode())
            self.transport.close()
            if self._timeout_handle is not None:
                self._timeout_handle.cancel()
            self._timeout_handle = self.loop.call_later(self._limits.abort_seconds, self.transport.abort)
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()

    def _timeout_cb(self) -> None:
        self.close("421 4.4.2 Timeout")

    async def push(self, status: AnyStr) -> None:
        """Send a reply. A client that causes too many errors is disconnected."""
        await super().push(status)
        # Other sessions must run, too, when a client sends many commands at once.
        await asyncio.sleep(0)
        if str(status).startswith(("4", "5")):
            await self._count("errors", self._limits.errors)

    async def _run_command(self, name: str, method: Callable[[str | None], Awaitable[None]], arg: str | None) -> None:
        self.last_command_at = self.loop.time()
        await self._count(name, self._limits.commands)
        await method(arg)

    async def _count(self, name: str, limit: int) -> None:
        self._counts[name] += 1
        if self._counts[name] > limit:
            await self._end("421 4.7.0 Too many commands or errors")

    async def _end(self, reply: str) -> None:
        """Close the connection and cancel the running command."""
        self.close(reply)
        await asyncio.sleep(0)

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """Parse a path strictly: the parser of aiosmtpd is that of headers, with comments and obsolete forms.

        `<>` stands for the null sender, since aiosmtpd takes an empty address for a missing one.
        """
        path = _PATH.fullmatch(arg)
        if path is None:
            return None, None
        return path["path"] or path["bare"] or "<>", path["rest"]

    async def smtp_VRFY(self, arg: str | None) -> None:  # noqa: N802, ARG002 - called by aiosmtpd under this name
        """Answer as RFC 5321 §7.3 permits: no address is verified."""
        await self.push("252 2.5.2 Addresses are not verified")

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 - called by aiosmtpd under this name
        """Receive a mail up to CRLF.CRLF and reply once it is stored.

        The method of aiosmtpd splits lines, refuses those of more than 1,001 bytes and counts only complete ones.
        """
        if await self.check_helo_needed():
            return
        if self.envelope is None or not self.envelope.rcpt_tos or arg:
            await self.push("501 5.5.4 Syntax: DATA" if arg else "503 5.5.1 Send MAIL and RCPT first")
            return
        self._is_idle.clear()
        try:
            self._reset_timeout(self._limits.data_seconds)
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            reply = await self._receive_mail()
            recipients = len(self.envelope.rcpt_tos)
            self.envelope = Envelope()
            reply_lines = self._format_reply(reply, recipients)
            # After data with bare CR or LF, the rest of the input may be the part that was to be smuggled.
            await (self._end(reply_lines) if reply == _BARE_LINE_END else self.push(reply_lines))
        finally:
            self.buffered_size = 0
            self._is_idle.set()

    def _format_reply(self, reply: str, recipients: int) -> str:  # noqa: ARG002 - LMTP needs them
        return reply

    async def _receive_mail(self) -> str:
        """Return the reply to the data of the current transaction."""
        data = await self._read_data()
        self._reset_timeout()
        if isinstance(data, str):
            return data
        content = await run_sized(len(data), partial(decode_data, data))
        if content is None:
            return _BARE_LINE_END
        reply = await self._intake.store(self._read_envelope(), content)
        if reply.startswith("250"):
            self._counts.clear()
        return reply

    async def _read_data(self) -> bytes | str:
        """Read all data. Return it with a CRLF in front and without the last line, or the reply if it is too much.

        With a CRLF in front, which ended the DATA command, a dot at the very beginning is found as all others are.
        """
        self._reader._buffer[:0] = b"\r\n"  # type: ignore[attr-defined]  # noqa: SLF001 - see the module's docstring
        chunks: list[bytes] = []
        size, refusal, is_end = 0, "", False
        while not is_end:
            chunk, is_end = await self._read_chunk()
            size += len(chunk)
            if size > 2 * self._limits.size:
                await self._end(TOO_BIG)
            if size - len(b"\r\n" + _END_OF_DATA[2:]) > self._limits.size:
                refusal = refusal or TOO_BIG
            elif self._get_buffered_size() > self._limits.buffered_size:
                refusal = refusal or _INSUFFICIENT_STORAGE
            if refusal:
                chunks.clear()
            else:
                chunks.append(chunk)
            self.buffered_size = 0 if refusal else size
        return refusal or b"".join(chunks)[: -len(_END_OF_DATA[2:])]

    async def _read_chunk(self) -> tuple[bytes, bool]:
        """Return the next data, and whether they end with the end of data."""
        try:
            return await self._reader.readuntil(_END_OF_DATA), True
        except asyncio.LimitOverrunError as error:
            return await self._reader.read(error.consumed), False

    def _read_envelope(self) -> MailEnvelope:
        envelope, session = self.envelope, self.session
        assert envelope is not None and session is not None  # noqa: S101, PT018 - set when the connection was made
        return MailEnvelope(
            mail_from="" if envelope.mail_from in (None, "<>") else str(envelope.mail_from),
            recipients=tuple(dict.fromkeys(envelope.rcpt_tos)),
            peer=self.peer,
            helo=str(session.host_name).encode(errors="replace").decode()[:_MAX_HELO_LENGTH],
            protocol=self.protocol,
            is_tls=session.ssl is not None,
        )


class LmtpSession(MailSession):
    """Session of one LMTP client, which gets a reply for each accepted recipient after DATA (RFC 2033 §4.2)."""

    protocol = "lmtp"

    async def smtp_LHLO(self, arg: str) -> None:  # noqa: N802 - called by aiosmtpd under this name
        await super().smtp_EHLO(arg)

    async def smtp_HELO(self, arg: str) -> None:  # noqa: N802, ARG002 - called by aiosmtpd under this name
        await self.push("500 5.5.1 This is LMTP: send LHLO")

    async def smtp_EHLO(self, arg: str) -> None:  # noqa: N802, ARG002 - called by aiosmtpd under this name
        await self.push("500 5.5.1 This is LMTP: send LHLO")

    def _format_reply(self, reply: str, recipients: int) -> str:
        return "\r\n".join([reply] * recipients)


def peer_of(transport: asyncio.BaseTransport) -> str:
    """Return the IP address of the client, empty if it has disconnected already."""
    peer: Any = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""


def _retrieve_error(task: "asyncio.Task[None]") -> None:
    """Mark the error of a session as seen: it is that of a client that disconnected during a reply."""
    if not task.cancelled():
        task.exception()
