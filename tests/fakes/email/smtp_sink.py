"""Mail server for tests: a real SMTP server that keeps what it accepts, or replies and breaks off as a test wants."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.fakes.email.certificates import ServerCertificate
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

Fault = Literal["drop after the final dot", "hang after the final dot", "drop at MAIL", "hang at MAIL", "drop at QUIT"]


@dataclass(frozen=True)
class SentMail:
    """A mail in the ledger of a sink. `user` is None without authentication."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    is_tls: bool
    user: str | None
    helo: str

    def parse(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=default)


@dataclass
class SmtpSink:
    """Server and its ledger. `replies` are used once each, in their order, for GREETING, EHLO, MAIL, RCPT or DATA.

    A refused mail is not in the ledger; one that was received before a fault is.
    """

    mails: list[SentMail] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    replies: dict[str, list[str]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    password: str = "secret"
    port: int = 0
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for_mails(self, count: int) -> list[SentMail]:
        """Wait until the ledger has so many mails and return it."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while len(self.mails) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.mails

    def next_reply(self, command: str) -> str | None:
        replies = self.replies.get(command, [])
        return replies.pop(0) if replies else None

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802
        session.host_name = hostname
        reply = self.next_reply("EHLO")
        return [reply] if reply else responses

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802
        await self._misbehave(server, "MAIL")
        return self._reply("MAIL") or _accept(setattr, envelope, "mail_from", address)

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        return self._reply("RCPT") or _accept(envelope.rcpt_tos.append, address)

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if refusal := self._reply("DATA"):
            return refusal
        sender = "" if envelope.mail_from == "<>" else envelope.mail_from
        is_tls = server.transport.get_extra_info("sslcontext") is not None
        user = session.auth_data.login.decode() if session.authenticated else None
        content = bytes(envelope.content)
        self.mails.append(SentMail(sender, tuple(envelope.rcpt_tos), content, is_tls, user, session.host_name))
        self._arrived.set()
        await self._misbehave(server, "the final dot")
        return "250 2.0.0 Queued"

    async def handle_QUIT(self, server, session, envelope):  # noqa: N802
        await self._misbehave(server, "QUIT")
        return "221 2.0.0 Bye"

    def authenticate(
        self, server: SMTP, session: Any, envelope: Any, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        self.logins.append((data.login.decode(), data.password.decode()))
        is_right = data.password.decode() == self.password
        return AuthResult(success=is_right, handled=False, auth_data=data)

    def _reply(self, command: str) -> str | None:
        reply = self.next_reply(command)
        return None if reply is None or reply.startswith("2") else reply

    async def _misbehave(self, server: SMTP, place: str) -> None:
        """Drop the connection or wait for its end if the next fault belongs to this place."""
        if self.faults and self.faults[0].endswith(place):
            if self.faults.pop(0).startswith("drop"):
                server.transport.abort()
            await asyncio.Event().wait()


def _accept(action: Any, *arguments: Any) -> str:
    action(*arguments)
    return "250 2.1.0 OK"


class SinkSession(SMTP):
    """Session whose greeting a test can replace."""

    async def push(self, status):
        if isinstance(status, str) and status.startswith("220 ") and self.session.host_name is None:
            status = self.event_handler.next_reply("GREETING") or status
        await super().push(status)


@asynccontextmanager
async def running_sink(
    certificate: ServerCertificate | None = None, *, is_smtps: bool = False, offers_auth: bool = False
) -> AsyncIterator[SmtpSink]:
    """Run a sink on a free port. With a certificate it offers STARTTLS, or speaks TLS from the beginning."""
    sink, loop, tls = SmtpSink(), asyncio.get_running_loop(), None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate.certificate_file, certificate.key_file)
    sessions: list[SinkSession] = []

    def create_session() -> SinkSession:
        sessions.append(
            SinkSession(
                sink,
                hostname="sink.test",
                tls_context=None if is_smtps else tls,
                authenticator=sink.authenticate,
                auth_require_tls=not offers_auth,
                auth_exclude_mechanism=() if offers_auth else ("LOGIN", "PLAIN"),
                loop=loop,
            )
        )
        return sessions[-1]

    server = await loop.create_server(create_session, "127.0.0.1", 0, ssl=tls if is_smtps else None)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        for session in sessions:
            if session.transport is not None:
                session.transport.abort()
        await asyncio.gather(
            *(session._handler_coroutine for session in sessions if session._handler_coroutine), return_exceptions=True
        )
