"""Slack channel: cards, messages and interactions in Slack, over HTTP or Socket Mode."""

from collections.abc import Iterator
from functools import partial

from channels.abilities import Finding
from channels.base import Plugin
from channels.slack.config import SlackSettings


def build(settings: SlackSettings) -> Plugin:
    """Return the plugin, without a channel if Slack is not set up. Raises ConfigurationError for missing settings."""
    doctor_checks = partial(_check, settings)
    if not settings.is_slack_enabled:
        return Plugin(doctor_checks=doctor_checks)
    from channels.slack.plugin import build_plugin  # noqa: PLC0415 - importing it takes 0.3 s, needless without Slack

    return build_plugin(settings, doctor_checks=doctor_checks)


def _check(settings: SlackSettings) -> Iterator[Finding]:
    from channels.slack.checks import check_slack  # noqa: PLC0415 - as above, and only the doctor needs it

    yield from check_slack(settings)
