"""Socket Mode: envelopes are acknowledged after the commit, and not lost with the connection."""

from agents.core.steps import DoneForNow
from storage.database.database import Database
from tests.channels.slack.stories.log_capture import LogCapture
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.slack.bot_request import BotRequest
from tests.harness.slack import OPS, locked_database, running_slack_bot

HELLO = DoneForNow(message="Hello.")


async def test_malformed_envelope_is_acknowledged_and_dropped(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, transport="socket") as harness:
        for payload in ({}, {"type": "event_callback"}, {"type": "event_callback", "event": "\ud800"}):
            response = await harness.slack.workspace.delivery.send(BotRequest("events_api", payload))
            assert (response.is_accepted, response.body) == (True, None)
        assert harness.bot_harness.commits == []
        assert len(harness.slack.delivery_attempts) == 3


async def test_unstored_envelope_is_not_acknowledged_and_is_redelivered(
    database: Database, running_bot, log_capture: LogCapture
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(HELLO), transport="socket") as harness:
        async with locked_database(harness.bot_harness):
            root = await harness.alice.mention_bot("hi", channel=OPS)
            for attempt in (1, 2):  # Slack sends two events for a mention, and first retries at once
                await log_capture.wait_for_log_event(harness, "inbound_rejected", 2 * attempt)
                harness.slack.workspace.clock.advance(seconds=3)
            await harness.slack.wait_until_quiet()
            assert [response.failure_reason for _, response in harness.slack.delivery_attempts] == ["http_timeout"] * 4
        await harness.advance_clock(minutes=1)
        await harness.alice.wait_for_reply(root, "Hello.")
        assert (await harness.event_types(root)).count("MessageReceived") == 1


async def test_renewed_connection_loses_no_message(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(HELLO, HELLO), transport="socket") as harness:
        root = await harness.alice.mention_bot("hi", channel=OPS)
        await harness.alice.wait_for_reply(root, "Hello.")
        connection_count = harness.slack.socket.connections_opened
        await harness.slack.socket.disconnect_all()
        await harness.alice.reply(root, "still there?")
        await harness.slack.wait_for_connections(connection_count + 1)
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Hello.")
        assert (await harness.event_types(root)).count("MessageReceived") == 2
