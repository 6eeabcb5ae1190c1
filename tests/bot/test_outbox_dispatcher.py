"""Messages leave in order, until they are taken, and are written down once."""

from functools import partial

import pytest

from agents.addresses import Address
from agents.errors import ConfigurationError, DeliveryUncertain, Permanent, Unavailable
from agents.messages import Receipt, StartedConversation
from agents.steps import DoneForNow
from channels.registry import channels_by_scheme
from storage import outbox
from storage.conversations import find_linked_thread
from storage.database import Database
from tests.bot.conftest import BotSetup
from tests.bot_harness import RecordingChannel
from tests.fakes.scripted_model import ScriptedModel


def with_terminal(channel: RecordingChannel):
    return {**channels_by_scheme(), "terminal": channel}


async def test_a_channel_in_trouble_is_tried_again_and_the_order_is_kept(database: Database, running_bot) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_errors = [Unavailable("away", retry_after=30)]
    model = ScriptedModel(DoneForNow(message="one"), DoneForNow(message="two"))
    async with running_bot(database, model, channels=with_terminal(terminal)) as home:
        thread = await home.post_message("a")
        await home.wait_until(thread, lambda s: s.lifecycle == "done")
        await home.post_message("b", thread_id=thread)
        await home.wait_until(thread, lambda s: len(s.pending_messages) == 2)
        await home.wait_for_error(terminal)
        assert terminal.sent == []
        home.clock.advance(seconds=30)
        await home.wait_until_settled(thread)
        assert [message.text for _, message, _ in terminal.sent] == ["one", "two"]


async def test_what_no_channel_will_ever_take_is_undeliverable_and_holds_nothing_up(
    database: Database, running_bot
) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_errors = [Permanent("there is no such terminal")]
    async with running_bot(
        database, ScriptedModel(DoneForNow(message="one")), channels=with_terminal(terminal)
    ) as home:
        thread = await home.post_message("a")
        await home.wait_until_settled(thread)
        last = (await home.events(thread))[-1]
        assert (last.type, last.reason) == ("MessageUndeliverable", "there is no such terminal")


async def test_even_a_bug_in_a_channel_loses_no_message(database: Database, running_bot) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_errors = [ZeroDivisionError()]
    async with running_bot(
        database, ScriptedModel(DoneForNow(message="one")), channels=with_terminal(terminal)
    ) as home:
        thread = await home.post_message("a")
        await home.wait_for_error(terminal)
        home.clock.advance(seconds=1)
        await home.wait_until_settled(thread)


@pytest.mark.parametrize(
    ("trouble", "looks"),
    [(Unavailable("away"), False), (DeliveryUncertain("silence"), True), (ZeroDivisionError(), True)],
)
async def test_who_cannot_know_whether_a_message_arrived_looks_for_it_first(
    database: Database, running_bot, set_up: BotSetup, trouble: Exception, looks: bool
) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_errors = [trouble]
    async with running_bot(
        database, ScriptedModel(DoneForNow(message="one")), channels=with_terminal(terminal)
    ) as home:
        thread = await home.post_message("a")
        await home.wait_for_error(terminal)
        home.clock.advance(seconds=1)
        await home.wait_until_settled(thread)
    # Another process may have taken a job over: it cannot know what the first one met.
    assert terminal.maybe_sent_flags == [False, looks or set_up.has_job_queue]


async def test_what_an_earlier_process_left_may_have_arrived(database_url: str, running_bot) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_errors = [Unavailable("away", retry_after=3600)]
    model = ScriptedModel(DoneForNow(message="one"))
    async with running_bot(Database.open(database_url), model, channels=with_terminal(terminal)) as home:
        thread = await home.post_message("a")
        await home.wait_for_error(terminal)
    clock = home.clock
    clock.advance(hours=1)
    async with running_bot(Database.open(database_url), channels=with_terminal(terminal), clock=clock, run="b") as home:
        await home.wait_until_settled(thread)
    assert terminal.maybe_sent_flags == [False, True]


async def test_a_channel_that_is_not_set_up_rightly_loses_no_message_and_says_what_is_wrong(
    database: Database, running_bot
) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_errors = [ConfigurationError("the token was revoked")]
    async with running_bot(
        database, ScriptedModel(DoneForNow(message="one")), channels=with_terminal(terminal)
    ) as home:
        thread = await home.post_message("a")
        await home.wait_for_error(terminal)
        assert home.bot.channel_errors == {"channel:terminal": "the token was revoked"}
        home.clock.advance(seconds=60)
        await home.wait_until_settled(thread)
        assert home.bot.channel_errors == {}


async def test_a_settled_card_takes_the_place_of_the_open_one(database: Database, running_bot) -> None:
    terminal = RecordingChannel("terminal")
    model = ScriptedModel({"intent": "ship", "tag": "v1"}, DoneForNow(message="Done."))
    async with running_bot(database, model, channels=with_terminal(terminal)) as home:
        thread = await home.post_message("ship v1")
        await home.answer_request(await home.wait_for_request(thread), "deny", comment="not today")
        await home.wait_until_settled(thread)
        (_, opened, nothing), (_, settled, place), _ = sorted(terminal.sent, key=lambda sent: sent[1].card is None)
        assert nothing is None
        assert place == Receipt(ref="terminal-1", digest="d")
        assert (opened.card.status, settled.card.status) == ("open", "denied")
        assert settled.card.outcome == "denied by Bob (terminal): not today"


async def test_what_is_said_where_a_message_began_a_conversation_reaches_its_thread(
    database: Database, running_bot
) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_conversations = [
        StartedConversation(address=Address("terminal:alice.1"), conversation_key="room 1")
    ]
    model = ScriptedModel(DoneForNow(message="one"), DoneForNow(message="two"))
    async with running_bot(database, model, channels=with_terminal(terminal)) as home:
        thread = await home.post_message("a")
        await home.wait_until_settled(thread)
        await home.post_message("b", thread_id=thread)
        await home.wait_until_settled(thread)
        assert [to for to, _, _ in terminal.sent] == ["terminal:alice", "terminal:alice.1"]
        found = await home.bot.engine.database.transaction(
            partial(find_linked_thread, channel="terminal", conversation_keys=["room 1"])
        )
        assert found == thread
        await home.check_replay(thread)


async def test_a_taken_message_leaves_the_outbox(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DoneForNow(message="one"))) as home:
        thread = await home.post_message("a")
        await home.wait_until_settled(thread)
        assert await home.bot.engine.database.transaction(outbox.list_pending) == []


async def test_a_slow_destination_holds_up_no_other(database: Database, running_bot) -> None:
    terminal, web = RecordingChannel("terminal"), RecordingChannel("web")
    terminal.planned_errors = [Unavailable("away", retry_after=3600)]
    model = ScriptedModel(DoneForNow(message="one"), DoneForNow(message="two"))
    async with running_bot(database, model, channels={"terminal": terminal, "web": web}) as home:
        await home.post_message("a", person_key="alice")
        await home.wait_for_error(terminal)
        quick = await home.post_message("b", person_key="bob")
        await home.wait_until_settled(quick)
        assert [to for to, _, _ in terminal.sent] == [Address("terminal:bob")]
