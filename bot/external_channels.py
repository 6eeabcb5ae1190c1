"""Channels that need an account with an external service, such as Slack."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.config.secrets import load_secret_key
from bot.config.settings import Settings
from bot.log import LogEvent, log
from bot.services.ids import Clock
from channels.base import Channel


@dataclass(frozen=True)
class ExternalChannel:
    """A channel, and the function that closes its connections."""

    channel: Channel
    close: Callable[[], Awaitable[None]]


def open_external_channels(settings: Settings) -> tuple[ExternalChannel, ...]:
    """Return the channels that the settings enable. Raises ConfigurationError when a setting is missing or invalid."""
    if not settings.is_slack_enabled:
        return ()
    from bot.slack.bootstrap import build_slack_channel, load_slack_account  # noqa: PLC0415 - saves 0.2 s without Slack

    account = load_slack_account(settings, load_secret_key(settings))
    if account is None:
        log(LogEvent.CHANNEL_NOT_STARTED, level="error", channel="slack")
        return ()
    channel = build_slack_channel(account, Clock())
    return (ExternalChannel(channel, channel.close),)
