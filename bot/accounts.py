"""The channels that need an account with somebody else: those this environment has one for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.generated_secrets import secret_key
from bot.ids import Chance
from bot.log import Action, log
from bot.settings import Settings
from channels.base import Channel


@dataclass(frozen=True)
class Account:
    """A channel, and how its connections are given up."""

    channel: Channel
    close: Callable[[], Awaitable[None]]


def accounts(settings: Settings) -> tuple[Account, ...]:
    """Raises Misconfigured when what is given does not suffice."""
    if not settings.speaks_slack:
        return ()
    from bot.slack.wiring import slack_account, slack_channel  # noqa: PLC0415 - 0.2 s that nobody without Slack needs

    account = slack_account(settings, secret_key(settings))
    if account is None:
        log(Action.CHANNEL_NOT_STARTED, level="error", channel="slack")
        return ()
    channel = slack_channel(account, Chance())
    return (Account(channel, channel.close),)
