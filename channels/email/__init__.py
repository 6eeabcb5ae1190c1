"""Email channel: mail in by SMTP and LMTP, approval mails that are answered by reply, mail out by SMTP or as files."""

from collections.abc import Iterator
from functools import partial

from channels.abilities import Finding
from channels.base import Plugin
from channels.email.config import EmailSettings


def build(settings: EmailSettings) -> Plugin:
    """Return the plugin. Raises ConfigurationError for settings that cannot be used."""
    from channels.email.plugin import build_plugin  # noqa: PLC0415 - importing it takes time, needless for its settings

    return build_plugin(settings, doctor_checks=partial(_check, settings))


def _check(settings: EmailSettings) -> Iterator[Finding]:
    from channels.email.checks import check_email  # noqa: PLC0415 - as above, and only the doctor needs it

    yield from check_email(settings)
