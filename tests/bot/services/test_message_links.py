"""Titles, links and access of messages in conversations: every message can be linked, and a stranger joins none."""

from agents.core.steps import DoneForNow
from agents.core.values import Address
from bot.services.message_receiver import MAX_TITLE_LENGTH
from channels.inbound import Arrival, InboundMessage, Posted, Sender
from storage.database.database import Database
from storage.inbox import list_message_keys
from tests.bot.conftest import on_every_setup
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import BotHarness, RecordingChannel
from tests.harness.channels import channels_by_scheme

ALICE, BOB, EVE = Address("terminal:alice"), Address("terminal:bob"), Address("pager:eve")
DONE = DoneForNow(message="Done.")


async def post(harness: BotHarness, key: str, by: Address = ALICE, **fields: object) -> Posted:
    """Post the message with this key. Each is a second later than the one before it."""
    harness.clock.advance(seconds=1)
    arrival = Arrival("pager", (f"page:{key}",), Sender((by,)), Address(f"pager:{by.id}"), harness.clock.now())
    message = InboundMessage(arrival, "hello", **{"linked_keys": (key,), "requires_access": True, **fields})
    posted = await harness.bot.receiver.post_message(message)
    assert posted.thread_id is not None
    await harness.wait_until_done(posted.thread_id)
    return posted


def channels() -> dict[str, object]:
    return {**channels_by_scheme(), "pager": RecordingChannel("pager")}


async def keys_of(database: Database, thread_id: str | None, person: str) -> tuple[str, ...]:
    return await database.read(
        lambda connection: list_message_keys(connection, "pager", thread_id, Address(f"pager:{person}"))
    )


@on_every_setup
async def test_keys_of_all_messages_lead_to_their_thread_in_order(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE, DONE, DONE), channels=channels()) as harness:
        first = await post(harness, "z1")
        second = await post(harness, "b2", conversation_keys=("none", "z1"))
        third = await post(harness, "a3", conversation_keys=("b2",), linked_keys=("a3", "z1"))
        assert {first.thread_id, second.thread_id, third.thread_id} == {first.thread_id}
        assert [first.outcome, third.outcome] == ["opened", "posted"]
        assert await keys_of(database, first.thread_id, "alice") == ("z1", "b2", "a3")
        assert await keys_of(database, first.thread_id, "bob") == ()


async def test_first_linked_key_of_a_message_decides(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(*[DONE] * 4), channels=channels()) as harness:
        first, second = await post(harness, "b"), await post(harness, "a")
        assert (await post(harness, "c", conversation_keys=("none", "b", "a"))).thread_id == first.thread_id
        assert (await post(harness, "d", conversation_keys=("a", "b"))).thread_id == second.thread_id


async def test_key_stays_linked_to_its_first_thread(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE, DONE), channels=channels()) as harness:
        first, second = await post(harness, "one"), await post(harness, "two", linked_keys=("one", "two"))
        assert first.thread_id != second.thread_id
        assert await keys_of(database, first.thread_id, "alice") == ("one",)
        assert await keys_of(database, second.thread_id, "alice") == ("two",)


@on_every_setup
async def test_sender_without_access_opens_a_thread_of_their_own(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(*[DONE] * 6), channels=channels()) as harness:
        thread_id = (await post(harness, "one")).thread_id
        for key, by, fields in (
            ("two", EVE, {"conversation_keys": ("one",)}),
            ("three", EVE, {"thread_id": thread_id}),
            ("four", BOB, {"conversation_keys": ("one",), "linked_keys": None}),
        ):
            other = await post(harness, key, by, **fields)
            assert (other.outcome, other.thread_id != thread_id) == ("opened", True), key
        assert (await post(harness, "five", conversation_keys=("two", "one"))).outcome == "opened"
        assert (await post(harness, "six", thread_id=thread_id)).thread_id == thread_id


async def test_access_is_checked_only_on_demand(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE, DONE), channels=channels()) as harness:
        thread_id = (await post(harness, "one")).thread_id
        joined = await post(harness, "two", EVE, conversation_keys=("one",), requires_access=False)
        assert (joined.outcome, joined.thread_id) == ("posted", thread_id)


async def test_title_of_a_message_is_stored_and_truncated(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE, DONE), channels=channels()) as harness:
        thread_id = str((await post(harness, "one", title="T" * 999)).thread_id)
        await post(harness, "two", thread_id=thread_id, title="Re: it")
        title = (await harness.bot.engine.load(thread_id)).title
        assert title is not None
        assert (title[:99], len(title) <= MAX_TITLE_LENGTH) == ("T" * 99, True)
        titles = [event.title for event in await harness.events(thread_id) if event.type == "MessageReceived"]
        assert titles == [title, "Re: it"]
        await harness.check_replay(thread_id)
