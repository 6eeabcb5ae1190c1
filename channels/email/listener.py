"""Servers of the email channel for incoming mail: SMTP, with STARTTLS if there is a certificate, and LMTP."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from agents.core.errors import ConfigurationError
from channels.base import Runtime
from channels.email.config import EmailSettings, ListenAddress
from channels.email.mail_intake import MailIntake, SessionLimits
from channels.email.smtp_server import LmtpSession, MailSession, peer_of
from channels.email.tokens import MailTokens

LMTP_CONNECTIONS = 50
"""Maximum number of LMTP connections: they come from one mail server."""


def create_server_tls_context(settings: EmailSettings) -> ssl.SSLContext | None:
    """Return the TLS context of STARTTLS, None without a certificate.

    Raises ConfigurationError if only one of the two files is set, and for a file that cannot be used.
    """
    certificate, key = settings.smtp_tls_cert, settings.smtp_tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        missing = "SMTP_TLS_CERT" if certificate is None else "SMTP_TLS_KEY"
        raise ConfigurationError(f"{missing} is missing: STARTTLS needs SMTP_TLS_CERT and SMTP_TLS_KEY")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            "SMTP_TLS_CERT, SMTP_TLS_KEY: must be PEM files with a certificate and its key, without a password"
        ) from error
    return context


def _refuse_password() -> str:
    """Refuse keys with a password: without this function OpenSSL would ask for it on the terminal."""
    raise ValueError("the key has a password")


@dataclass
class SessionRegistry:
    """The open sessions of one server, and the limits of their number."""

    limits: SessionLimits
    sessions: set[MailSession] = field(default_factory=set)

    def reserve(self, peer: str, now: float) -> bool:
        """Return whether a client may connect. If all places are taken, close the session that is idle the longest."""
        if sum(session.peer == peer for session in self.sessions) >= self.limits.connections_per_peer:
            return False
        if len(self.sessions) < self.limits.connections:
            return True
        idle = [session for session in self.sessions if not session.is_receiving]
        oldest = min(idle, key=lambda session: session.last_command_at, default=None)
        if oldest is None or now - oldest.last_command_at < self.limits.eviction_seconds:
            return False
        self.sessions.discard(oldest)
        oldest.close("421 4.3.2 Too many connections")
        return True

    def sum_buffered_sizes(self) -> int:
        """Return the number of bytes that all sessions have received and not stored yet."""
        return sum(session.buffered_size for session in self.sessions)


@dataclass
class ConnectionGate(asyncio.Protocol):
    """Protocol of a new connection. It hands the connection over to a session, or refuses it."""

    registry: SessionRegistry
    create_session: Callable[[], MailSession]
    loop: asyncio.AbstractEventLoop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - servers have stream transports
        if self.registry.reserve(peer_of(transport), self.loop.time()):
            session = self.create_session()
            transport.set_protocol(session)
            session.connection_made(transport)
            self.registry.sessions.add(session)
        else:
            transport.write(b"421 4.3.2 Too many connections\r\n")
            transport.close()


@dataclass
class MailListener:
    """Service that receives mail at the configured addresses. `ports` are the ports of its servers."""

    settings: EmailSettings
    tokens: MailTokens
    limits: SessionLimits = field(default_factory=SessionLimits)
    _servers: list[asyncio.Server] = field(default_factory=list, init=False)
    _registries: list[SessionRegistry] = field(default_factory=list, init=False)

    @property
    def ports(self) -> tuple[int, ...]:
        """Return the ports of SMTP and LMTP, without the servers that do not run."""
        return tuple(server.sockets[0].getsockname()[1] for server in self._servers if server.sockets)

    async def start(self, runtime: Runtime) -> None:
        """Start the servers. Raises ConfigurationError for unusable TLS files, and for an address that is not free.

        Without SMTP_LISTEN the default address may be in use, by another Handrail on this machine: then a process with
        other work runs without receiving mail.
        """
        # aiosmtpd logs what clients send, and a warning for each unknown command. MailIntake logs what matters.
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        tls = create_server_tls_context(self.settings)
        if self.settings.smtp_listen is not None:
            is_optional = "smtp_listen" not in self.settings.model_fields_set
            await self._start_smtp(runtime, self.settings.smtp_listen, tls, is_optional=is_optional)
        if self.settings.lmtp_listen is not None:
            limits = replace(self.limits, connections=LMTP_CONNECTIONS, connections_per_peer=LMTP_CONNECTIONS)
            await self._serve(runtime, self.settings.lmtp_listen, limits, LmtpSession, "LMTP_LISTEN")

    async def stop(self) -> None:
        """Accept no more connections, wait at most two seconds for running transfers, and close all connections."""
        for server in self._servers:
            server.close()
        sessions = [session for registry in self._registries for session in registry.sessions]
        await asyncio.gather(*(session.shut_down(self.limits.stop_seconds) for session in sessions))
        self._servers.clear()
        self._registries.clear()

    async def _start_smtp(
        self, runtime: Runtime, address: ListenAddress, tls: ssl.SSLContext | None, *, is_optional: bool
    ) -> None:
        try:
            await self._serve(runtime, address, self.limits, partial(MailSession, tls=tls), "SMTP_LISTEN")
        except ConfigurationError as error:
            if not is_optional or runtime.runs_only_listeners:
                raise
            runtime.log(
                "channel_not_started", level="warning", channel="email", port=address.port, error=error.__cause__
            )

    async def _serve(
        self,
        runtime: Runtime,
        address: ListenAddress,
        limits: SessionLimits,
        session_type: Callable[..., MailSession],
        variable: str,
    ) -> None:
        loop, registry = asyncio.get_running_loop(), SessionRegistry(limits)
        create_session = partial(
            session_type,
            MailIntake(self.tokens, limits, runtime),
            hostname=self.tokens.address.partition("@")[2],
            loop=loop,
            on_end=registry.sessions.discard,
            get_buffered_size=registry.sum_buffered_sizes,
        )
        try:
            server = await loop.create_server(
                lambda: ConnectionGate(registry, create_session, loop), address.host, address.port, backlog=200
            )
        except OSError as error:
            raise ConfigurationError(
                f"{variable}: cannot listen on {address.host}:{address.port} "
                f"({error.strerror or type(error).__name__}); set {variable} to an address that is free"
            ) from error
        self._servers.append(server)
        self._registries.append(registry)
