"""Slack channel with kill points before and after each Web API call."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from bot.services.ids import Clock
from bot.services.retry import Sleep
from bot.slack.bootstrap import SlackAccount, build_slack_channel
from channels.slack import rate_limit
from channels.slack.channel import SlackChannel
from channels.slack.client import ApiResponse, SlackClient
from tests.crashes.kill_points import KillPoint
from tests.fakes.slack.app import App

SECRET_KEY = b"a-key-that-seals-buttons-in-every-process"
MESSAGE_INTERVAL_SECONDS = 0.05
"""Minimum interval between messages: short, since rate limits are not under test here."""


@dataclass
class FaultySlackClient(SlackClient):
    """Slack client that fails before a call, and after the call took effect but before that is recorded."""

    kill_point: KillPoint = field(kw_only=True)

    async def call_with_headers(self, method: str, **arguments: Any) -> ApiResponse:
        self.kill_point.kill_if_reached(f"{method} called")
        response = await super().call_with_headers(method, **arguments)
        self.kill_point.kill_if_reached(f"{method} done")
        return response


def slack_account(api_url: str, *, is_socket_mode: bool) -> SlackAccount:
    """Return the account of the app that every fake Slack has."""
    app, token = App(), SecretStr(App().bot_token)
    if is_socket_mode:
        return SlackAccount(token, api_url, SECRET_KEY, app_token=SecretStr(app.app_token))
    return SlackAccount(token, api_url, SECRET_KEY, signing_secrets=(app.signing_secret,))


def faulty_slack_channel(account: SlackAccount, clock: Clock, sleep: Sleep, kill_point: KillPoint) -> SlackChannel:
    """Build the Slack channel of a bot with a faulty client."""
    rate_limit.MIN_INTERVAL_SECONDS = MESSAGE_INTERVAL_SECONDS
    channel = build_slack_channel(account, clock, sleep)
    real = channel.client
    channel.client = FaultySlackClient(real.token, real.base_url, monotonic=real.monotonic, kill_point=kill_point)
    channel.bot_identity.client = channel.client
    return channel
