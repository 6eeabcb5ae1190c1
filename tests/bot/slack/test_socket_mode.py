"""Socket Mode: what comes in is acknowledged once it is committed, and not lost when the connection is."""

from agents.steps import DoneForNow
from storage.database import Database
from tests.bot.slack.log_capture import LogCapture
from tests.bot.slack.slack_harness import OPS, locked_database, running_slack_bot
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.slack.bot_request import BotRequest

HELLO = DoneForNow(message="Hello.")


async def test_what_nobody_can_understand_is_acknowledged_and_dropped(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, transport="socket") as work:
        for payload in ({}, {"type": "event_callback"}, {"type": "event_callback", "event": "\ud800"}):
            answer = await work.slack.workspace.delivery.send(BotRequest("events_api", payload))
            assert (answer.is_accepted, answer.body) == (True, None)
        assert work.bot.commits == []
        assert len(work.slack.delivery_attempts) == 3


async def test_what_cannot_be_written_is_not_acknowledged_and_comes_again(
    database: Database, running_bot, log_capture: LogCapture
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(HELLO), transport="socket") as work:
        async with locked_database(work.bot):
            root = await work.alice.mention_bot("hi", channel=OPS)
            for attempt in (1, 2):  # the second one comes at once
                await log_capture.wait_for_action(work, "inbound_rejected", 2 * attempt)
                work.slack.workspace.clock.advance(seconds=3)
            await work.slack.wait_until_quiet()
            assert [answer.failure_reason for _, answer in work.slack.delivery_attempts] == ["http_timeout"] * 4
        await work.advance_clock(minutes=1)
        await work.alice.wait_for_reply(root, "Hello.")
        assert (await work.event_types(root)).count("MessageReceived") == 1


async def test_a_connection_that_slack_renews_loses_nothing(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(HELLO, HELLO), transport="socket") as work:
        root = await work.alice.mention_bot("hi", channel=OPS)
        await work.alice.wait_for_reply(root, "Hello.")
        opened = work.slack.socket.connections_opened
        await work.slack.socket.disconnect_all()
        await work.alice.reply(root, "still there?")
        await work.slack.wait_for_connections(opened + 1)
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Hello.")
        assert (await work.event_types(root)).count("MessageReceived") == 2
