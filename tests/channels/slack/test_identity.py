"""Who we are on Slack is what Slack says of our token."""

from channels.slack.facts import Ourselves
from channels.slack.identity import Identity
from tests.channels.slack.clients import client_of
from tests.fakes.slack.slack import fake_slack


async def test_slack_is_asked_once_who_we_are() -> None:
    async with fake_slack() as slack, client_of(slack) as client:
        identity = Identity(client)
        told = [await identity.us() for _ in range(2)]
    assert told == [Ourselves(bot_id="B0BOT", user_id="U0BOT", team="T0TEAM")] * 2
    assert len(slack.calls) == 1
