"""Messages are sent in order, retried until they are delivered, and recorded once."""

from datetime import timedelta
from functools import partial

import pytest

from agents.core.errors import ConfigurationError, DeliveryUncertain, Permanent, Unavailable
from agents.core.messages import Receipt, StartedConversation
from agents.core.steps import DoneForNow
from agents.core.values import Address
from channels.stored_input import ThreadContext
from storage import outbox
from storage.database.database import Database
from storage.inbox import find_linked_thread
from tests.bot.conftest import BotSetup, on_every_setup
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import RecordingChannel
from tests.harness.channels import channels_by_scheme


def channels_with_terminal(channel: RecordingChannel):
    return {**channels_by_scheme(), "terminal": channel}


@on_every_setup
async def test_unavailable_channel_is_retried_in_order(database: Database, running_bot) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_errors = [Unavailable("away", retry_after=30)]
    model = ScriptedModel(DoneForNow(message="one"), DoneForNow(message="two"))
    async with running_bot(database, model, channels=channels_with_terminal(terminal)) as harness:
        thread_id = await harness.post_message("a")
        await harness.wait_until(thread_id, lambda state: state.lifecycle == "done")
        await harness.post_message("b", thread_id=thread_id)
        await harness.wait_until(thread_id, lambda state: len(state.pending_messages) == 2)
        await harness.wait_for_error(terminal)
        assert terminal.sent == []
        harness.clock.advance(seconds=30)
        await harness.wait_until_done(thread_id)
        assert [message.text for _, message, _ in terminal.sent] == ["one", "two"]


async def test_permanent_error_makes_a_message_undeliverable(database: Database, running_bot) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_errors = [Permanent("there is no such terminal")]
    async with running_bot(
        database, ScriptedModel(DoneForNow(message="one")), channels=channels_with_terminal(terminal)
    ) as harness:
        thread_id = await harness.post_message("a")
        await harness.wait_until_done(thread_id)
        last = (await harness.events(thread_id))[-1]
        assert (last.type, last.reason) == ("MessageUndeliverable", "there is no such terminal")


async def test_message_survives_an_unexpected_error_of_its_channel(database: Database, running_bot) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_errors = [ZeroDivisionError()]
    async with running_bot(
        database, ScriptedModel(DoneForNow(message="one")), channels=channels_with_terminal(terminal)
    ) as harness:
        thread_id = await harness.post_message("a")
        await harness.wait_for_error(terminal)
        harness.clock.advance(seconds=1)
        await harness.wait_until_done(thread_id)


@pytest.mark.parametrize(
    ("error", "is_uncertain"),
    [(Unavailable("away"), False), (DeliveryUncertain("silence"), True), (ZeroDivisionError(), True)],
)
async def test_retry_reports_whether_the_message_may_have_been_sent(
    database: Database, running_bot, bot_setup: BotSetup, error: Exception, is_uncertain: bool
) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_errors = [error]
    async with running_bot(
        database, ScriptedModel(DoneForNow(message="one")), channels=channels_with_terminal(terminal)
    ) as harness:
        thread_id = await harness.post_message("a")
        await harness.wait_for_error(terminal)
        harness.clock.advance(seconds=1)
        await harness.wait_until_done(thread_id)
    # Another process may execute the retried job and does not know how the first attempt failed.
    assert terminal.may_have_been_sent_flags == [False, is_uncertain or bot_setup.has_job_queue]


@on_every_setup
async def test_message_from_before_a_restart_may_have_been_sent(database_url: str, running_bot) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_errors = [Unavailable("away", retry_after=3600)]
    model = ScriptedModel(DoneForNow(message="one"))
    async with running_bot(Database.open(database_url), model, channels=channels_with_terminal(terminal)) as harness:
        thread_id = await harness.post_message("a")
        await harness.wait_for_error(terminal)
    clock = harness.clock
    clock.advance(hours=1)
    async with running_bot(
        Database.open(database_url), channels=channels_with_terminal(terminal), clock=clock, id_prefix="b"
    ) as harness:
        await harness.wait_until_done(thread_id)
    assert terminal.may_have_been_sent_flags == [False, True]


async def test_misconfigured_channel_reports_its_error_and_is_retried(database: Database, running_bot) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_errors = [ConfigurationError("the token was revoked")]
    async with running_bot(
        database, ScriptedModel(DoneForNow(message="one")), channels=channels_with_terminal(terminal)
    ) as harness:
        thread_id = await harness.post_message("a")
        await harness.wait_for_error(terminal)
        assert harness.bot.channel_errors == {"channel:terminal": "the token was revoked"}
        harness.clock.advance(seconds=60)
        await harness.wait_until_done(thread_id)
        assert harness.bot.channel_errors == {}


async def test_closed_card_replaces_the_open_one(database: Database, running_bot) -> None:
    terminal = RecordingChannel("terminal")
    model = ScriptedModel({"intent": "ship", "tag": "v1"}, DoneForNow(message="Done."))
    async with running_bot(database, model, channels=channels_with_terminal(terminal)) as harness:
        thread_id = await harness.post_message("ship v1")
        await harness.answer_request(await harness.wait_for_request(thread_id), "deny", comment="not today")
        await harness.wait_until_done(thread_id)
        (_, open_message, replaced_by_open), (_, closed_message, replaced_by_closed), _ = sorted(
            terminal.sent, key=lambda delivery: delivery[1].card is None
        )
        assert replaced_by_open is None
        assert replaced_by_closed == Receipt(ref="terminal-1", digest=open_message.card.digest)
        assert (open_message.card.status, closed_message.card.status) == ("open", "denied")
        assert closed_message.card.outcome == "denied by Bob (terminal): not today"


async def test_conversation_started_by_a_message_is_linked_to_its_thread(database: Database, running_bot) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_conversations = [
        StartedConversation(address=Address("terminal:alice.1"), conversation_key="room 1")
    ]
    model = ScriptedModel(DoneForNow(message="one"), DoneForNow(message="two"))
    async with running_bot(database, model, channels=channels_with_terminal(terminal)) as harness:
        thread_id = await harness.post_message("a")
        await harness.wait_until_done(thread_id)
        await harness.post_message("b", thread_id=thread_id)
        await harness.wait_until_done(thread_id)
        assert [to for to, _, _ in terminal.sent] == ["terminal:alice", "terminal:alice.1"]
        linked_thread_id = await harness.bot.engine.database.transaction(
            partial(find_linked_thread, channel="terminal", conversation_keys=["room 1"])
        )
        assert linked_thread_id == thread_id
        await harness.check_replay(thread_id)


async def test_delivered_message_is_removed_from_the_outbox(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DoneForNow(message="one"))) as harness:
        thread_id = await harness.post_message("a")
        await harness.wait_until_done(thread_id)
        assert await harness.bot.engine.database.transaction(outbox.list_pending) == []


async def test_unavailable_destination_does_not_delay_others(database: Database, running_bot) -> None:
    terminal, web = RecordingChannel("terminal"), RecordingChannel("web")
    terminal.planned_errors = [Unavailable("away", retry_after=3600)]
    model = ScriptedModel(DoneForNow(message="one"), DoneForNow(message="two"))
    async with running_bot(database, model, channels={"terminal": terminal, "web": web}) as harness:
        await harness.post_message("a", person_key="alice")
        await harness.wait_for_error(terminal)
        other = await harness.post_message("b", person_key="bob")
        await harness.wait_until_done(other)
        assert [to for to, _, _ in terminal.sent] == [Address("terminal:bob")]


class ThreadAwareRecorder(RecordingChannel):
    """Channel that records the context of each message, and links its messages to their threads."""

    def __init__(self) -> None:
        super().__init__("terminal")
        self.contexts: list[ThreadContext] = []

    def for_thread(self, context: ThreadContext) -> "ThreadAwareRecorder":
        self.contexts.append(context)
        return self

    async def send(self, *arguments, **options) -> Receipt:
        receipt = await super().send(*arguments, **options)
        return receipt.model_copy(update={"conversation_keys": (receipt.ref, "taken")})


@on_every_setup
async def test_channel_gets_the_title_and_earlier_keys_of_the_thread(database: Database, running_bot) -> None:
    terminal = ThreadAwareRecorder()
    model = ScriptedModel(DoneForNow(message="one"), DoneForNow(message="two"), DoneForNow(message="three"))
    async with running_bot(database, model, channels=channels_with_terminal(terminal)) as harness:
        thread_id = await harness.post_message("a")
        await harness.wait_until_done(thread_id)
        harness.clock.advance(seconds=1)
        await harness.post_message("b", thread_id=thread_id)
        await harness.wait_until_done(thread_id)
        other = await harness.post_message("c")
        await harness.wait_until_done(other)
        later = harness.clock.now()
        first = later - timedelta(seconds=1)
        assert terminal.contexts == [
            ThreadContext(thread_id, None, (), first),
            ThreadContext(thread_id, None, ("taken", "terminal-1"), later),
            ThreadContext(other, None, (), later),
        ]
