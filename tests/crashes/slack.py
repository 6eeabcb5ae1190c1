"""Slack as a process speaks it that is to be killed: each call of a method is a place to end, before and after it."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from bot.ids import Chance
from bot.slack.wiring import SlackAccount, slack_channel
from bot.sleeping import Sleep
from channels.slack import pace
from channels.slack.client import Answer, SlackClient
from channels.slack.outbound import SlackChannel
from tests.crashes.fate import Fate
from tests.fakes.slack.app import App

KEY = b"a-key-that-seals-buttons-in-every-process"
BETWEEN_MESSAGES = 0.05
"""Seconds: what is looked at here is not how fast they go."""


@dataclass
class MortalClient(SlackClient):
    """Ends when a method is called, and when it had its effect and nobody has written that down."""

    fate: Fate = field(kw_only=True)

    async def answer(self, method: str, **arguments: Any) -> Answer:
        self.fate.meets(f"{method} called")
        answer = await super().answer(method, **arguments)
        self.fate.meets(f"{method} done")
        return answer


def account_at(api_url: str, *, socket: bool) -> SlackAccount:
    """The app every fake Slack has."""
    app, token = App(), SecretStr(App().bot_token)
    if socket:
        return SlackAccount(token, api_url, KEY, app_token=SecretStr(app.app_token))
    return SlackAccount(token, api_url, KEY, signing_secrets=(app.signing_secret,))


def mortal_channel(account: SlackAccount, chance: Chance, sleep: Sleep, fate: Fate) -> SlackChannel:
    """What leaves for Slack, if its process lives to send it."""
    pace.APART = BETWEEN_MESSAGES
    channel = slack_channel(account, chance, sleep)
    real = channel.client
    channel.client = MortalClient(real.token, real.base_url, elapsed=real.elapsed, fate=fate)
    channel.identity.client = channel.client
    return channel
