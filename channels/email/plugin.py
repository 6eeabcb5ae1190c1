"""Construction of the email channel, its listeners and the processing of its mails from the settings."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from agents.core.errors import ConfigurationError
from channels.abilities import Finding
from channels.base import Plugin
from channels.email.channel import EmailChannel
from channels.email.config import EmailSettings
from channels.email.input_handler import MailInputHandler
from channels.email.listener import MailListener, create_server_tls_context
from channels.email.outbox_files import FileTransport
from channels.email.reader_pool import ReaderPool
from channels.email.tokens import MailTokens
from channels.email.transport import SmtpTransport, Transport

OUTBOX_FOLDER = Path(".handrail/outbox")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def build_plugin(
    settings: EmailSettings,
    *,
    now: Callable[[], datetime] = _utc_now,
    outbox: Path = OUTBOX_FOLDER,
    doctor_checks: Callable[[], Iterable[Finding]] = tuple,
) -> Plugin:
    """Return the plugin. Without SMTP_URL its channel writes mails to files in `outbox`.

    Raises ConfigurationError for an address that cannot carry tokens, and for TLS files that cannot be used.
    """
    create_server_tls_context(settings)  # a mistake in it stops the process before it takes work
    tokens, transport = create_tokens(settings), _create_transport(settings, outbox)
    is_local = is_local_trial(settings)
    has_listener = settings.smtp_listen is not None or settings.lmtp_listen is not None
    reader = ReaderPool(settings)
    handler = MailInputHandler(tokens, reader, now, is_local_trial=is_local)
    return Plugin(
        channel=EmailChannel(tokens, transport, now, may_answer_unverified=is_local),
        listeners=(MailListener(settings, tokens),) if has_listener else (),
        process_input=handler.process,
        doctor_checks=doctor_checks,
        close=reader.close,
    )


def create_tokens(settings: EmailSettings) -> MailTokens:
    """Return the tokens for plus-addresses. Raises ConfigurationError for an address that cannot carry them."""
    try:
        return MailTokens(settings.email_address, settings.signing_key)
    except ValueError as error:
        raise ConfigurationError(f"EMAIL_ADDRESS: {error}") from error


def is_local_trial(settings: EmailSettings) -> bool:
    """Return whether mail stays on this machine: to an address at localhost, with answers written to files.

    Its senders are not authenticated and get answers nevertheless, which no other person can receive.
    """
    return settings.smtp_url is None and settings.email_address.endswith("@localhost")


def _create_transport(settings: EmailSettings, outbox: Path) -> Transport:
    if settings.smtp_url is None:
        return FileTransport(outbox)
    return SmtpTransport(settings.smtp_url, settings.network.create_tls_context())
