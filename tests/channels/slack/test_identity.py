"""Who we are on Slack is what Slack says of our token."""

from channels.slack.client import SlackClient
from channels.slack.facts import Ourselves
from channels.slack.identity import Identity
from tests.channels.slack.clients import client_of
from tests.fakes.http import HttpReply, serving
from tests.fakes.slack.slack import fake_slack


async def test_slack_is_asked_once_who_we_are() -> None:
    async with fake_slack() as slack, client_of(slack) as client:
        identity = Identity(client)
        told = [await identity.us() for _ in range(2)]
    assert told == [Ourselves(bot_id="B0BOT", user_id="U0BOT", team="T0TEAM")] * 2
    assert len(slack.calls) == 1


async def test_a_slack_that_hangs_keeps_nothing_waiting_that_says_who_we_are() -> None:
    asked = []

    def hang(request: object) -> HttpReply:
        asked.append(request)
        return HttpReply(end="hang")

    granted = {"team_id": "T0TEAM", "user_id": "U0BOT", "is_bot": True}
    async with serving(hang) as port:
        client = SlackClient("xoxb-1", f"http://127.0.0.1:{port}/api/", elapsed=lambda: 0.0)
        identity = Identity(client)
        event = {"type": "event_callback", "authorizations": [granted]}
        told = [await identity.us_behind(event) for _ in range(20)]
        await client.close()
    assert {us.home for us in told} == {"T0TEAM"}
    assert len(asked) == 1
