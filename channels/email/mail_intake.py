"""Acceptance of mail: which recipients exist, and storing a mail before it is acknowledged."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import TypeVar

from aiosmtpd.smtp import SMTP, Envelope, Session, TLSSetupException

from channels.base import Level, Runtime
from channels.email.tokens import MailTokens, MessageToken, ThreadToken
from channels.email.values import MailEnvelope
from channels.stored_input import RawInput

T = TypeVar("T")

TOO_BIG = "552 5.3.4 Message too big"
_TRY_LATER = "451 4.3.0 Temporary local problem, please try again later"
_LARGE_MAIL_BYTES = 1024 * 1024
_MAX_HEADER_BYTES = 256 * 1024
_TRACE_FIELD = re.compile(
    r"(?:received|return-path|delivered-to|x-original-to):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", re.IGNORECASE
)


@dataclass(frozen=True)
class SessionLimits:
    """Limits of one listener. `commands` and `errors` count since the connection or its last accepted mail.

    `size` and `buffered_size` are in bytes, for one mail and for all that are being received. A session that was idle
    for `eviction_seconds` is closed when another client needs its place. A client has `abort_seconds` to read the last
    reply.
    """

    connections: int = 100
    connections_per_peer: int = 50
    recipients: int = 10
    commands: int = 50
    errors: int = 20
    size: int = 25 * 1024 * 1024
    buffered_size: int = 200 * 1024 * 1024
    idle_seconds: float = 60.0
    data_seconds: float = 120.0
    stop_seconds: float = 2.0
    eviction_seconds: float = 5.0
    abort_seconds: float = 5.0


def strip_trace_fields(raw: bytes) -> bytes:
    """Return a mail without the trace fields at its beginning, which differ when it is delivered again."""
    header, position = raw[:_MAX_HEADER_BYTES].decode("latin-1"), 0
    while trace_field := _TRACE_FIELD.match(header, position):
        position = trace_field.end()
    return raw[position:]


@dataclass
class MailIntake:
    """Handler of the sessions of a listener: it accepts recipients and stores mails."""

    tokens: MailTokens
    limits: SessionLimits
    runtime: Runtime
    _large_mails: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def handle_EHLO(  # noqa: N802 - the name and the parameters of a hook of aiosmtpd
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Return the extensions of the server. AUTH and HELP of aiosmtpd are not among them."""
        session.host_name = hostname
        extensions = [line for line in responses if not line.startswith(("250-AUTH", "250 HELP"))]
        return [*extensions, f"250 SIZE {self.limits.size}"]

    async def handle_MAIL(  # noqa: N802 - the name and the parameters of a hook of aiosmtpd
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept a sender unless the announced size (RFC 1870) is too big."""
        if not address.isprintable():
            return "553 5.1.7 Malformed address"
        if any(_announced_size(option) > self.limits.size for option in options):
            return TOO_BIG
        envelope.mail_from = address
        return "250 2.1.0 Sender accepted"

    async def handle_RCPT(  # noqa: N802 - the name and the parameters of a hook of aiosmtpd
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if not self.tokens.accepts(address):
            return "550 5.1.1 No such mailbox"
        if len(envelope.rcpt_tos) >= self.limits.recipients:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Recipient accepted"

    async def handle_exception(self, error: Exception) -> str:
        """Return the reply to a command that failed; the text of the error stays in this process."""
        level: Level = "warning" if isinstance(error, TLSSetupException) else "error"
        self.runtime.log("inbound_rejected", level=level, channel="email", error=error, trace=error)
        return _TRY_LATER

    async def store(self, envelope: MailEnvelope, content: bytes) -> str:
        """Store a mail and return the reply for each of its recipients."""
        try:
            if len(content) > _LARGE_MAIL_BYTES:
                async with self._large_mails:  # one at a time: the database has one writer
                    await self._store(envelope, content)
            else:
                await self._store(envelope, content)
        except Exception as error:  # noqa: BLE001 - after any error the sender keeps the mail and tries again
            self.runtime.log("inbound_rejected", level="warning", channel="email", error=error)
            return _TRY_LATER
        return "250 2.0.0 Stored"

    async def _store(self, envelope: MailEnvelope, content: bytes) -> None:
        raw_input = RawInput(
            channel="email",
            key=await run_sized(len(content), partial(compute_input_key, envelope, content)),
            group=self._group(envelope),
            received_at=self.runtime.now(),
            metadata=envelope.to_metadata(),
            content=content,
        )
        is_new = await self.runtime.receiver.store_input(raw_input)
        self.runtime.log("inbound_accepted", channel="email", outcome="stored" if is_new else "duplicate")

    def _group(self, envelope: MailEnvelope) -> str:
        """Return the recipient with a verified token, else the client and the sender that it names.

        So a stranger can neither delay the mails of a thread or of another sender, nor get a group for each mail by
        inventing tokens, which the limits of mails count by group.
        """
        tokens = {to.lower(): self.tokens.parse_recipient(to) for to in envelope.recipients}
        verified = (to for to, token in tokens.items() if isinstance(token, ThreadToken | MessageToken))
        return next(verified, f"{envelope.peer} {envelope.mail_from or '<>'}".lower())


def compute_input_key(envelope: MailEnvelope, content: bytes) -> str:
    """Return the same key for each delivery of a mail by the same client and sender to the same recipients.

    A copy that another client delivers first must not make the genuine mail a duplicate: only the genuine one may be
    authenticated.
    """
    parts = (envelope.protocol, envelope.peer, envelope.mail_from, *sorted(to.lower() for to in envelope.recipients))
    digest = sha256("\0".join(parts).encode())
    digest.update(b"\0\0" + strip_trace_fields(content))
    return digest.hexdigest()


async def run_sized(size: int, function: Callable[[], T]) -> T:
    """Call a function, in a thread if it processes so many bytes that it would delay other sessions."""
    return await asyncio.to_thread(function) if size > _LARGE_MAIL_BYTES else function()


def _announced_size(option: str) -> int:
    name, _, value = option.partition("=")
    return int(value) if name == "SIZE" and value.isascii() and value.isdigit() else 0
