"""Mapping of SMTP errors (RFC 5321 §4.2.1) to Handrail's errors: retryable, permanent or misconfigured."""

import ssl

from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPHeloError,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from agents.core.errors import ConfigurationError, Permanent, Retryable, Unavailable

_MAX_REPLY_LENGTH = 100  # characters of the server's text
_MIN_PERMANENT_CODE, _MAX_PERMANENT_CODE = 500, 599
_AUTHENTICATION_CODES = frozenset({530, 534, 535, 538})  # RFC 4954 §6


def to_channel_error(error: Exception) -> Retryable | Permanent:
    """Return the error of the channel for an error while a mail was sent. An error of the channel stays as it is."""
    if isinstance(error, Retryable | Permanent):
        return error
    if isinstance(error, SMTPResponseException):
        return _to_reply_error(error)
    if isinstance(error, SMTPConnectError | SMTPServerDisconnected | SMTPTimeoutError | OSError):
        return Unavailable(_describe_connection_error(error))
    if isinstance(error, SMTPException):  # such as a missing extension
        return ConfigurationError(f"SMTP_URL: {_to_printable(str(error))}")
    if isinstance(error, ValueError):
        return Permanent("the address cannot be used in SMTP")
    return Unavailable(f"sending the mail failed: {type(error).__name__}")


def _to_reply_error(error: SMTPResponseException) -> Retryable | Permanent:
    text = f"{error.code} {_to_printable(error.message)}".strip()
    is_permanent = _MIN_PERMANENT_CODE <= error.code <= _MAX_PERMANENT_CODE
    if is_permanent and (isinstance(error, SMTPAuthenticationError) or error.code in _AUTHENTICATION_CODES):
        return ConfigurationError(f"SMTP_URL: the mail server refuses the user or the password: {text}")
    if not is_permanent or isinstance(error, SMTPConnectError | SMTPHeloError):
        return Unavailable(f"the mail server cannot take mail now: {text}")
    return Permanent(text)


def _describe_connection_error(error: Exception) -> str:
    """Return a text without the name of the server, in which a user may have put a secret."""
    cause = next((e for e in (error, error.__cause__, error.__context__) if isinstance(e, ssl.SSLError)), None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of the mail server is not valid: {_to_printable(cause.verify_message)}"
    if cause is not None:
        return "the TLS handshake with the mail server failed"
    is_timeout = isinstance(error, TimeoutError)
    return "the mail server did not answer in time" if is_timeout else "the connection to the mail server failed"


def _to_printable(text: str) -> str:
    """Return the beginning of a text that a server sent, on one line and in ASCII."""
    printable = "".join(character if " " <= character <= "~" else " " for character in text)
    return " ".join(printable.split())[:_MAX_REPLY_LENGTH]
