"""SMS channel, over Twilio: requests are answered by code, and each message is confirmed by its carrier."""

from collections.abc import Iterator
from functools import partial

from channels.abilities import Finding
from channels.base import Plugin
from channels.sms.config import SmsSettings


def build(settings: SmsSettings) -> Plugin:
    """Return the plugin. Raises ConfigurationError for settings that cannot be used."""
    from channels.sms.plugin import build_plugin  # noqa: PLC0415 - importing it takes time, needless for its settings

    return build_plugin(settings, doctor_checks=partial(_check, settings))


def _check(settings: SmsSettings) -> Iterator[Finding]:
    from channels.sms.checks import check_sms  # noqa: PLC0415 - as above, and only the doctor needs it

    yield from check_sms(settings)
