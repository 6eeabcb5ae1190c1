"""Slack channel with kill points before and after each Web API call."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from bot.services.ids import Clock
from bot.services.retry import Sleep
from channels.base import Plugin
from channels.slack import rate_limit
from channels.slack.client import ApiResponse, SlackClient
from channels.slack.config import SlackSettings
from channels.slack.plugin import SlackClock, build_plugin
from tests.crashes.kill_points import KillPoint
from tests.fakes.slack.app import App

SECRET_KEY = "a-key-that-signs-buttons-in-every-process"
MESSAGE_INTERVAL_SECONDS = 0.05
"""Minimum interval between messages: short, since rate limits are not under test here."""


@dataclass
class KillingSlackClient(SlackClient):
    """Slack client with which the process is killed before a call, or after it took effect but is not recorded."""

    kill_point: KillPoint = field(kw_only=True)

    async def call_with_headers(self, method: str, **arguments: Any) -> ApiResponse:
        self.kill_point.kill_if_reached(f"{method} called")
        response = await super().call_with_headers(method, **arguments)
        self.kill_point.kill_if_reached(f"{method} done")
        return response


def killing_slack_plugin(
    api_url: str, clock: Clock, sleep: Sleep, kill_point: KillPoint, *, is_socket_mode: bool
) -> Plugin:
    """Build the Slack plugin of a bot whose client kills the process, for the app that every fake Slack has."""
    rate_limit.MIN_INTERVAL_SECONDS = MESSAGE_INTERVAL_SECONDS
    app = App()
    settings = SlackSettings(
        secret_key=SecretStr(SECRET_KEY),
        slack_bot_token=SecretStr(app.bot_token),
        slack_api_url=api_url,
        slack_signing_secret=None if is_socket_mode else SecretStr(app.signing_secret),
        slack_app_token=SecretStr(app.app_token) if is_socket_mode else None,
    )

    async def wait(seconds: float) -> None:
        await sleep(clock.now() + timedelta(seconds=seconds), asyncio.Event())

    client = KillingSlackClient(app.bot_token, api_url, monotonic=clock.monotonic, kill_point=kill_point)
    return build_plugin(settings, clock=SlackClock(clock.now, clock.monotonic, wait), client=client)
