"""Client of the fake Slack that is closed at the end of a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from channels.slack.client import SlackClient
from tests.fakes.slack.slack import FakeSlack


@asynccontextmanager
async def slack_client(slack: FakeSlack) -> AsyncIterator[SlackClient]:
    client = SlackClient(slack.app.bot_token, slack.base_url)
    try:
        yield client
    finally:
        await client.close()
