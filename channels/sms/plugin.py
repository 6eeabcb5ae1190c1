"""Construction of the SMS channel, its endpoints and the processing of its messages from the settings."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from agents.core.errors import ConfigurationError
from channels.abilities import Finding
from channels.base import Plugin
from channels.sms.channel import SmsChannel, create_capabilities
from channels.sms.config import SmsSettings
from channels.sms.endpoints import STATUS_PATH, TwilioEndpoints
from channels.sms.input_handler import SmsInputHandler
from channels.sms.local import LOCAL_SENDER, LocalMessageApi, LocalSmsChannel, SimulatedPhone, name_local_media

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def _utc_now() -> datetime:
    return datetime.now(UTC)


def build_plugin(
    settings: SmsSettings,
    *,
    now: Callable[[], datetime] = _utc_now,
    doctor_checks: Callable[[], Iterable[Finding]] = tuple,
) -> Plugin:
    """Return the plugin. Without an account, messages stay on this machine; in production there is no channel then.

    Raises ConfigurationError if only a part of the account is configured.
    """
    if settings.has_twilio_account:
        try:
            return _build_for_account(settings, now, doctor_checks)
        except ConfigurationError as error:  # a proxy that cannot be used
            return Plugin(doctor_checks=doctor_checks, problem=str(error))
    if settings.environment == "production":
        return Plugin(doctor_checks=doctor_checks)
    handler = SmsInputHandler(LOCAL_SENDER, name_local_media)
    channel = LocalSmsChannel(LocalMessageApi(), now, create_capabilities(settings.sms_daily_segments))
    return Plugin(
        channel=channel,
        endpoints=SimulatedPhone(channel).endpoints(),
        process_input=handler.process,
        doctor_checks=doctor_checks,
    )


def _build_for_account(
    settings: SmsSettings, now: Callable[[], datetime], doctor_checks: Callable[[], Iterable[Finding]]
) -> Plugin:
    from channels.sms.client import create_api  # noqa: PLC0415 - Twilio's SDK takes time and 50 MB
    from channels.sms.media import MediaFetcher  # noqa: PLC0415 - the same
    from channels.sms.reconciliation import ReconciliationPoll  # noqa: PLC0415 - the same

    account_sid, sender = settings.twilio_account_sid or "", settings.twilio_from or ""
    token, api_url = settings.twilio_auth_token[0].get_secret_value(), settings.twilio_api_url
    tls, proxy = settings.network.create_tls_context(), settings.network.proxy_for(api_url)
    api = create_api(account_sid, token, sender, api_url, tls=tls, proxy=proxy)
    channel = SmsChannel(
        api=api,
        now=now,
        capabilities=create_capabilities(settings.sms_daily_segments),
        countries=settings.sms_countries,
        callback_url=callback_url(settings),
    )
    fetcher = MediaFetcher(account_sid, token, api_url, tls, proxy)
    endpoints = TwilioEndpoints(account_sid, settings.twilio_auth_token, settings.public_url)
    return Plugin(
        channel=channel,
        endpoints=endpoints.endpoints(),
        services=(ReconciliationPoll(api),),
        process_input=SmsInputHandler(sender, fetcher.name_media).process,
        doctor_checks=doctor_checks,
        close=api.close,
    )


def callback_url(settings: SmsSettings) -> str | None:
    """Return the URL for reports of Twilio; None if this server can be reached from this machine only.

    A fake provider on this machine reaches it.
    """
    is_local = urlsplit(settings.public_url).hostname in _LOCAL_HOSTS
    is_local_provider = urlsplit(settings.twilio_api_url).hostname in _LOCAL_HOSTS
    return None if is_local and not is_local_provider else f"{settings.public_url}{STATUS_PATH}"
