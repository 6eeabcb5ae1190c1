"""Errors of SMTP become retryable, permanent or misconfigured errors, whose texts have little of the server's text."""

import ssl

import pytest
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPConnectResponseError,
    SMTPConnectTimeoutError,
    SMTPDataError,
    SMTPException,
    SMTPHeloError,
    SMTPReadTimeoutError,
    SMTPRecipientRefused,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)
from hypothesis import given
from hypothesis import strategies as st

from agents.core.errors import ConfigurationError, DeliveryUncertain, Permanent, Retryable, Unavailable
from channels.email.errors import to_channel_error


@pytest.mark.parametrize(
    ("error", "expected", "text"),
    [
        (
            SMTPDataError(450, "4.7.1 greylisted"),
            Unavailable,
            "the mail server cannot take mail now: 450 4.7.1 greylisted",
        ),
        (
            SMTPSenderRefused(421, "4.3.2 busy", "a@b"),
            Unavailable,
            "the mail server cannot take mail now: 421 4.3.2 busy",
        ),
        (SMTPDataError(-1, "Malformed"), Unavailable, "the mail server cannot take mail now: -1 Malformed"),
        (SMTPDataError(552, "5.3.4 too big"), Permanent, "552 5.3.4 too big"),
        (SMTPRecipientRefused(550, "5.1.1 <a@b>\n unknown\x07", "a@b"), Permanent, "550 5.1.1 <a@b> unknown"),
        (SMTPDataError(554, "5.7.1 " + "x" * 500), Permanent, "554 5.7.1 " + "x" * 94),
        (SMTPHeloError(504, "no"), Unavailable, "the mail server cannot take mail now: 504 no"),
        (SMTPConnectResponseError(554, "no mail"), Unavailable, "the mail server cannot take mail now: 554 no mail"),
        (SMTPConnectError("Error connecting to secret.test"), Unavailable, "the connection to the mail server failed"),
        (SMTPServerDisconnected("x"), Unavailable, "the connection to the mail server failed"),
        (SMTPReadTimeoutError("x"), Unavailable, "the mail server did not answer in time"),
        (SMTPConnectTimeoutError("x"), Unavailable, "the mail server did not answer in time"),
        (ConnectionResetError(), Unavailable, "the connection to the mail server failed"),
        (ssl.SSLError(1, "bad record"), Unavailable, "the TLS handshake with the mail server failed"),
        (UnicodeEncodeError("ascii", "ü", 0, 1, "x"), Permanent, "the address cannot be used in SMTP"),
        (ZeroDivisionError("secret"), Unavailable, "sending the mail failed: ZeroDivisionError"),
        (SMTPException("AUTH is not supported"), ConfigurationError, "SMTP_URL: AUTH is not supported"),
        (
            SMTPAuthenticationError(535, "5.7.8 bad"),
            ConfigurationError,
            "SMTP_URL: the mail server refuses the user or the password: 535 5.7.8 bad",
        ),
        (
            SMTPSenderRefused(530, "5.7.0 Authentication required", "a@b"),
            ConfigurationError,
            "SMTP_URL: the mail server refuses the user or the password: 530 5.7.0 Authentication required",
        ),
        (
            SMTPAuthenticationError(454, "4.7.0 later"),
            Unavailable,
            "the mail server cannot take mail now: 454 4.7.0 later",
        ),
    ],
)
def test_each_error_has_its_class_and_text(error, expected, text):
    mapped = to_channel_error(error)
    assert (type(mapped), str(mapped)) == (expected, text)


@pytest.mark.parametrize("error", [DeliveryUncertain("x"), ConfigurationError("y"), Permanent("z")])
def test_error_of_the_channel_stays_as_it_is(error):
    assert to_channel_error(error) is error


@given(st.integers(-1, 700), st.text())
def test_5xx_is_permanent_and_every_other_reply_is_retried(code, text):
    mapped = to_channel_error(SMTPDataError(code, text))
    assert isinstance(mapped, Permanent if 500 <= code <= 599 else Retryable)
    assert str(mapped).isprintable()
    assert str(mapped).isascii()
    assert len(str(mapped)) < 200
