"""Who we are on Slack is what Slack says of our token."""

from channels.slack.bot_identity import BotIdentityCache
from channels.slack.client import SlackClient
from channels.slack.inbound_events import BotIdentity
from tests.channels.slack.slack_client import slack_client
from tests.fakes.http_server import HttpResponse, running_http_server
from tests.fakes.slack.slack import fake_slack


async def test_slack_is_asked_once_who_we_are() -> None:
    async with fake_slack() as slack, slack_client(slack) as client:
        identity = BotIdentityCache(client)
        told = [await identity.get() for _ in range(2)]
    assert told == [BotIdentity(bot_id="B0BOT", user_id="U0BOT", team="T0TEAM")] * 2
    assert len(slack.calls) == 1


async def test_a_slack_that_hangs_keeps_nothing_waiting_that_says_who_we_are() -> None:
    asked = []

    def hang(request: object) -> HttpResponse:
        asked.append(request)
        return HttpResponse(end="hang")

    granted = {"team_id": "T0TEAM", "user_id": "U0BOT", "is_bot": True}
    async with running_http_server(hang) as port:
        client = SlackClient("xoxb-1", f"http://127.0.0.1:{port}/api/", monotonic=lambda: 0.0)
        identity = BotIdentityCache(client)
        event = {"type": "event_callback", "authorizations": [granted]}
        told = [await identity.get_for_payload(event) for _ in range(20)]
        await client.close()
    assert {us.installation_id for us in told} == {"T0TEAM"}
    assert len(asked) == 1
