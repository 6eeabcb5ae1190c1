"""Socket Mode: what comes in is acknowledged once it is committed, and not lost when the connection is."""

from agents.steps import DoneForNow
from storage.database import Database
from tests.bot.slack.overheard import Overheard
from tests.bot.slack.workplace import OPS, nobody_writes, workplace
from tests.fakes.scripted import ScriptedModel
from tests.fakes.slack.parcel import Parcel

HELLO = DoneForNow(message="Hello.")


async def test_what_nobody_can_understand_is_acknowledged_and_dropped(database: Database, house) -> None:
    async with workplace(house, database, transport="socket") as work:
        for payload in ({}, {"type": "event_callback"}, {"type": "event_callback", "event": "\ud800"}):
            answer = await work.slack.workspace.postman.send(Parcel("events_api", payload))
            assert (answer.taken, answer.body) == (True, None)
        assert work.home.commits == []
        assert len(work.slack.brought) == 3


async def test_what_cannot_be_written_is_not_acknowledged_and_comes_again(
    database: Database, house, overheard: Overheard
) -> None:
    async with workplace(house, database, ScriptedModel(HELLO), transport="socket") as work:
        async with nobody_writes(work.home):
            root = await work.alice.mentions("hi", channel=OPS)
            for attempt in (1, 2):  # the second one comes at once
                await overheard.until(work, "inbound_refused", 2 * attempt)
                work.slack.workspace.clock.advance(seconds=3)
            await work.slack.quiet()
            assert [answer.reason for _, answer in work.slack.brought] == ["http_timeout"] * 4
        await work.later(minutes=1)
        await work.alice.hears(root, "Hello.")
        assert (await work.story(root)).count("MessageReceived") == 1


async def test_a_connection_that_slack_renews_loses_nothing(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(HELLO, HELLO), transport="socket") as work:
        root = await work.alice.mentions("hi", channel=OPS)
        await work.alice.hears(root, "Hello.")
        opened = work.slack.socket.opened
        await work.slack.socket.disconnects()
        await work.alice.replies(root, "still there?")
        await work.slack.connected(opened + 1)
        await work.later(seconds=1)
        await work.alice.hears(root, "Hello.")
        assert (await work.story(root)).count("MessageReceived") == 2
