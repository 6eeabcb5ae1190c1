import pytest

from agents.errors import Misconfigured
from channels.slack.client import SlackClient
from channels.slack.facts import Ourselves
from channels.slack.identity import Identity
from tests.fakes.slack.app import App
from tests.fakes.slack.slack import fake_slack


async def test_slack_is_asked_once_who_we_are() -> None:
    async with fake_slack() as slack:
        client = SlackClient(slack.app.bot_token, slack.base_url)
        identity = Identity(client)
        told = [await identity.us() for _ in range(2)]
        await client.close()
    assert told == [Ourselves(bot_id="B0BOT", user_id="U0BOT", team="T0TEAM")] * 2
    assert len(slack.calls) == 1


async def test_a_token_that_is_not_a_bots_is_named() -> None:
    async with fake_slack(app=App(bot="")) as slack:
        client = SlackClient(slack.app.bot_token, slack.base_url)
        with pytest.raises(Misconfigured, match="SLACK_BOT_TOKEN is not the token of a bot"):
            await Identity(client).us()
        await client.close()
