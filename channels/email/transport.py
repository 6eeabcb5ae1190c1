"""Sending of mail to the server of SMTP_URL, one recipient at a time.

With `smtps://` or `?starttls=required`, and whenever a password is sent to another machine, the connection is encrypted
and the certificate is verified. Otherwise STARTTLS is used if the server offers it, without verification, as RFC 7435
describes: encryption without authentication is better than none.
"""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import unquote

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPDataError, SMTPException
from pydantic import SecretStr

from agents.core.errors import ConfigurationError, DeliveryUncertain
from channels.email.errors import to_channel_error
from channels.text import split_url

_SMTP_PORT, _SUBMISSION_PORT, _SMTPS_PORT = 25, 587, 465
_NOT_IN_PATHS = frozenset("<> ,")
MAX_CONNECTIONS = 4
QUIT_TIMEOUT_SECONDS = 5.0


class Transport(Protocol):
    """Way in which mails leave the process."""

    async def send(self, mail: bytes, *, sender: str, recipient: str, message_id: str) -> None:
        """Send a mail to one recipient. Raises Retryable, DeliveryUncertain among them, or Permanent."""
        ...


@dataclass(frozen=True)
class SmtpServer:
    """The server of SMTP_URL. `user` is empty without authentication."""

    host: str
    port: int
    is_smtps: bool
    requires_starttls: bool
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def from_url(cls, url: SecretStr) -> "SmtpServer":
        """Return the server of a validated SMTP_URL. A user without a port means submission (RFC 6409)."""
        parts = split_url(url.get_secret_value())
        is_smtps = parts.scheme == "smtps"
        default_port = _SMTPS_PORT if is_smtps else _SUBMISSION_PORT if parts.username else _SMTP_PORT
        return cls(
            host=parts.hostname or "",
            port=parts.port or default_port,
            is_smtps=is_smtps,
            requires_starttls="starttls=required" in parts.query,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )

    @property
    def is_loopback(self) -> bool:
        """Return whether the server is on this machine, so that no network sees what is sent."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def requires_verified_tls(self) -> bool:
        return self.is_smtps or self.requires_starttls or (bool(self.user) and not self.is_loopback)


@dataclass
class SmtpTransport:
    """Transport that sends each mail in a connection of its own.

    `tls` verifies certificates with the authorities of the machine. `data_timeout_seconds` is the time for the reply to
    the data, which may take minutes (RFC 5321 §4.5.3.2.6).
    """

    url: SecretStr
    tls: ssl.SSLContext = field(repr=False)
    timeout_seconds: float = 60.0
    data_timeout_seconds: float = 300.0
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_CONNECTIONS), repr=False)

    async def send(self, mail: bytes, *, sender: str, recipient: str, message_id: str) -> None:  # noqa: ARG002 - it is in the mail
        """Send a mail.

        After an uncertain end the next attempt sends the same Message-ID, by which mail programs recognise a duplicate.
        """
        async with self._slots:
            client = self._create_client(SmtpServer.from_url(self.url), sender)
            try:
                await self._connect(client, SmtpServer.from_url(self.url))
                await self._transfer(client, mail, sender, recipient)
                with suppress(SMTPException, OSError):
                    await client.quit(timeout=QUIT_TIMEOUT_SECONDS)
            except Exception as error:
                raise to_channel_error(error) from error
            finally:
                client.close()

    def _create_client(self, server: SmtpServer, sender: str) -> SMTP:
        return SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.is_smtps,
            start_tls=False,
            tls_context=self.tls if server.requires_verified_tls else _create_opportunistic_context(),
            local_hostname=sender.rpartition("@")[2] or "localhost",
            timeout=self.timeout_seconds,
        )

    async def _connect(self, client: SMTP, server: SmtpServer) -> None:
        """Connect, encrypt and log in. Raises ConfigurationError if the password would be sent without encryption."""
        await client.connect()
        await client.ehlo()
        if not server.is_smtps and client.supports_extension("starttls"):
            await client.starttls()
            await client.ehlo()
        elif server.requires_starttls:
            raise ConfigurationError("SMTP_URL: requires STARTTLS, which the mail server does not offer")
        elif server.requires_verified_tls and not server.is_smtps:
            raise ConfigurationError(
                "SMTP_URL: the mail server does not offer STARTTLS, and the password is not sent without; use smtps://"
            )
        if server.user:
            await client.login(server.user, server.password)

    async def _transfer(self, client: SMTP, mail: bytes, sender: str, recipient: str) -> None:
        if not recipient.isprintable() or not _NOT_IN_PATHS.isdisjoint(recipient):
            raise ValueError("the library would send only the part of the address that it understands")
        options = [f"SIZE={len(mail)}"] if client.supports_extension("size") else []
        await client.mail(sender, options=options)
        await client.rcpt(recipient)
        try:
            await client.data(mail, timeout=self.data_timeout_seconds)
        except SMTPDataError:
            raise
        except (SMTPException, OSError) as error:
            raise DeliveryUncertain(
                "the connection to the mail server was lost before it confirmed the mail"
            ) from error


def _create_opportunistic_context() -> ssl.SSLContext:
    """Return a context that accepts each certificate, for connections that may be unencrypted as well."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
