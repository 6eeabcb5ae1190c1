"""Slack as a process speaks it that is to be killed: each call of a method is a place to end, before and after it."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from bot.ids import Clock
from bot.slack.bootstrap import SlackAccount, build_slack_channel
from bot.sleep import Sleep
from channels.slack import rate_limit
from channels.slack.channel import SlackChannel
from channels.slack.client import ApiResponse, SlackClient
from tests.crashes.kill_points import KillPoint
from tests.fakes.slack.app import App

SECRET_KEY = b"a-key-that-seals-buttons-in-every-process"
MESSAGE_INTERVAL_SECONDS = 0.05
"""Seconds: what is looked at here is not how fast they go."""


@dataclass
class FaultySlackClient(SlackClient):
    """Ends when a method is called, and when it had its effect and nobody has written that down."""

    kill_point: KillPoint = field(kw_only=True)

    async def call_with_headers(self, method: str, **arguments: Any) -> ApiResponse:
        self.kill_point.reached(f"{method} called")
        response = await super().call_with_headers(method, **arguments)
        self.kill_point.reached(f"{method} done")
        return response


def slack_account(api_url: str, *, is_socket_mode: bool) -> SlackAccount:
    """The app every fake Slack has."""
    app, token = App(), SecretStr(App().bot_token)
    if is_socket_mode:
        return SlackAccount(token, api_url, SECRET_KEY, app_token=SecretStr(app.app_token))
    return SlackAccount(token, api_url, SECRET_KEY, signing_secrets=(app.signing_secret,))


def faulty_slack_channel(account: SlackAccount, clock: Clock, sleep: Sleep, kill_point: KillPoint) -> SlackChannel:
    """What leaves for Slack, if its process lives to send it."""
    rate_limit.MIN_INTERVAL_SECONDS = MESSAGE_INTERVAL_SECONDS
    channel = build_slack_channel(account, clock, sleep)
    real = channel.client
    channel.client = FaultySlackClient(real.token, real.base_url, monotonic=real.monotonic, kill_point=kill_point)
    channel.bot_identity.client = channel.client
    return channel
