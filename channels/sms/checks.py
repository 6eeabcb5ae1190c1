"""Checks of `handrail doctor` for SMS, without sending anything."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from agents.core.errors import ConfigurationError
from channels.abilities import Finding, FindingState
from channels.sms.config import SmsSettings
from channels.sms.endpoints import MESSAGES_PATH
from channels.sms.plugin import callback_url


def check_sms(settings: SmsSettings) -> Iterator[Finding]:
    """Yield findings about the account, the URL for webhooks and the limits."""
    try:
        has_account = settings.has_twilio_account
    except ConfigurationError as error:
        yield _finding("problem", str(error), "Handrail does not start with a part of an account")
        return
    if not has_account:
        yield _check_without_account(settings)
        return
    yield _finding(
        "ok", f"SMS are sent from {settings.twilio_from}, at most {settings.sms_daily_segments} segments a day"
    )
    yield _check_public_url(settings)


def _check_without_account(settings: SmsSettings) -> Finding:
    if settings.environment == "production":
        return _finding(
            "ok", "SMS are not set up", "to use them, set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM"
        )
    message = "without an account, SMS are shown in `handrail chat`, and `/sms NAME TEXT` there answers them"
    return _finding("ok", message, "to send them, set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM")


def _check_public_url(settings: SmsSettings) -> Finding:
    """Return whether Twilio can reach the endpoints."""
    url = f"{settings.public_url}{MESSAGES_PATH}"
    if callback_url(settings) is None:
        message = (
            f"Twilio cannot reach {settings.public_url}: messages arrive up to two minutes late, by looking for them"
        )
        return _finding("warning", message, "set PUBLIC_URL to the https address of this server")
    if urlsplit(settings.public_url).scheme != "https":
        return _finding("warning", f"PUBLIC_URL is not https, so messages to {url} can be read", "set an https address")
    return _finding("ok", f"Twilio sends messages to {url}; set this URL in its console")


def _finding(state: FindingState, message: str, fix: str | None = None) -> Finding:
    return Finding(name="sms", state=state, message=message, fix=fix)
