"""Messages leave in order, until they are taken, and are written down once."""

from functools import partial

import pytest

from agents.addresses import Address
from agents.errors import Doubtful, Misconfigured, Permanent, Unreachable
from agents.messages import Begun, Receipt
from agents.steps import DoneForNow
from channels.registry import by_scheme
from storage import outbox
from storage.conversations import thread_at
from storage.database import Database
from tests.bot.conftest import SetUp
from tests.fakes.scripted import ScriptedModel
from tests.houses import RecordingChannel


def with_terminal(channel: RecordingChannel):
    return {**by_scheme(), "terminal": channel}


async def test_a_channel_in_trouble_is_tried_again_and_the_order_is_kept(database: Database, house) -> None:
    terminal = RecordingChannel("terminal")
    terminal.trouble = [Unreachable("away", retry_after=30)]
    model = ScriptedModel(DoneForNow(message="one"), DoneForNow(message="two"))
    async with house(database, model, channels=with_terminal(terminal)) as home:
        thread = await home.says("a")
        await home.until(thread, lambda s: s.life == "done")
        await home.says("b", thread=thread)
        await home.until(thread, lambda s: len(s.outgoing) == 2)
        await home.meets_trouble(terminal)
        assert terminal.sent == []
        home.clock.advance(seconds=30)
        await home.at_rest(thread)
        assert [message.text for _, message, _ in terminal.sent] == ["one", "two"]


async def test_what_no_channel_will_ever_take_is_undeliverable_and_holds_nothing_up(database: Database, house) -> None:
    terminal = RecordingChannel("terminal")
    terminal.trouble = [Permanent("there is no such terminal")]
    async with house(database, ScriptedModel(DoneForNow(message="one")), channels=with_terminal(terminal)) as home:
        thread = await home.says("a")
        await home.at_rest(thread)
        last = (await home.log(thread))[-1]
        assert (last.type, last.reason) == ("MessageUndeliverable", "there is no such terminal")


async def test_even_a_bug_in_a_channel_loses_no_message(database: Database, house) -> None:
    terminal = RecordingChannel("terminal")
    terminal.trouble = [ZeroDivisionError()]
    async with house(database, ScriptedModel(DoneForNow(message="one")), channels=with_terminal(terminal)) as home:
        thread = await home.says("a")
        await home.meets_trouble(terminal)
        home.clock.advance(seconds=1)
        await home.at_rest(thread)


@pytest.mark.parametrize(
    ("trouble", "looks"), [(Unreachable("away"), False), (Doubtful("silence"), True), (ZeroDivisionError(), True)]
)
async def test_who_cannot_know_whether_a_message_arrived_looks_for_it_first(
    database: Database, house, set_up: SetUp, trouble: Exception, looks: bool
) -> None:
    terminal = RecordingChannel("terminal")
    terminal.trouble = [trouble]
    async with house(database, ScriptedModel(DoneForNow(message="one")), channels=with_terminal(terminal)) as home:
        thread = await home.says("a")
        await home.meets_trouble(terminal)
        home.clock.advance(seconds=1)
        await home.at_rest(thread)
    # Another process may have taken a job over: it cannot know what the first one met.
    assert terminal.again == [False, looks or set_up.shared]


async def test_what_an_earlier_process_left_may_have_arrived(database_url: str, house) -> None:
    terminal = RecordingChannel("terminal")
    terminal.trouble = [Unreachable("away", retry_after=3600)]
    model = ScriptedModel(DoneForNow(message="one"))
    async with house(Database.open(database_url), model, channels=with_terminal(terminal)) as home:
        thread = await home.says("a")
        await home.meets_trouble(terminal)
    clock = home.clock
    clock.advance(hours=1)
    async with house(Database.open(database_url), channels=with_terminal(terminal), clock=clock, run="b") as home:
        await home.at_rest(thread)
    assert terminal.again == [False, True]


async def test_a_channel_that_is_not_set_up_rightly_loses_no_message_and_says_what_is_wrong(
    database: Database, house
) -> None:
    terminal = RecordingChannel("terminal")
    terminal.trouble = [Misconfigured("the token was revoked")]
    async with house(database, ScriptedModel(DoneForNow(message="one")), channels=with_terminal(terminal)) as home:
        thread = await home.says("a")
        await home.meets_trouble(terminal)
        assert home.bot.troubles == {"channel:terminal": "the token was revoked"}
        home.clock.advance(seconds=60)
        await home.at_rest(thread)
        assert home.bot.troubles == {}


async def test_a_settled_card_takes_the_place_of_the_open_one(database: Database, house) -> None:
    terminal = RecordingChannel("terminal")
    model = ScriptedModel({"intent": "ship", "tag": "v1"}, DoneForNow(message="Done."))
    async with house(database, model, channels=with_terminal(terminal)) as home:
        thread = await home.says("ship v1")
        await home.answers(await home.asked(thread), "deny", comment="not today")
        await home.at_rest(thread)
        (_, opened, nothing), (_, settled, place), _ = sorted(terminal.sent, key=lambda sent: sent[1].card is None)
        assert nothing is None
        assert place == Receipt(ref="terminal-1", digest="d")
        assert (opened.card.status, settled.card.status) == ("open", "denied")
        assert settled.card.outcome == "denied by Bob (terminal): not today"


async def test_what_is_said_where_a_message_began_a_conversation_reaches_its_thread(database: Database, house) -> None:
    terminal = RecordingChannel("terminal")
    terminal.begins = [Begun(address=Address("terminal:alice.1"), place="room 1")]
    model = ScriptedModel(DoneForNow(message="one"), DoneForNow(message="two"))
    async with house(database, model, channels=with_terminal(terminal)) as home:
        thread = await home.says("a")
        await home.at_rest(thread)
        await home.says("b", thread=thread)
        await home.at_rest(thread)
        assert [to for to, _, _ in terminal.sent] == ["terminal:alice", "terminal:alice.1"]
        found = await home.bot.engine.database.run(partial(thread_at, channel="terminal", places=["room 1"]))
        assert found == thread
        await home.check_replay(thread)


async def test_a_taken_message_leaves_the_outbox(database: Database, house) -> None:
    async with house(database, ScriptedModel(DoneForNow(message="one"))) as home:
        thread = await home.says("a")
        await home.at_rest(thread)
        assert await home.bot.engine.database.run(outbox.waiting) == []


async def test_a_slow_destination_holds_up_no_other(database: Database, house) -> None:
    terminal, web = RecordingChannel("terminal"), RecordingChannel("web")
    terminal.trouble = [Unreachable("away", retry_after=3600)]
    model = ScriptedModel(DoneForNow(message="one"), DoneForNow(message="two"))
    async with house(database, model, channels={"terminal": terminal, "web": web}) as home:
        await home.says("a", by="alice")
        await home.meets_trouble(terminal)
        quick = await home.says("b", by="bob")
        await home.at_rest(quick)
        assert [to for to, _, _ in terminal.sent] == [Address("terminal:bob")]
