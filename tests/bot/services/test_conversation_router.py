"""Tests of the conversation router: each conversation of a channel is linked to one thread."""

import asyncio

from agents.core.completion import Completion, CompletionOutcome
from agents.core.messages import IncomingMessage, Provenance
from agents.core.steps import DoneForNow
from agents.core.values import Address, person_address
from agents.llm.base import ModelRequest, OnPartialReply
from bot.services.threads import ConversationRouter, NewThread
from storage.database.database import Database
from storage.inbox import IdempotencyClaim
from tests.bot.conftest import on_every_setup
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import BotHarness

ROOT_KEY, ALIAS_KEY, OTHER_ROOT_KEY = "T0/C1/1.0", "T0/C1/alias", "T0/C1/2.0"
DONE = DoneForNow(message="Done.")


class ImmediateModel:
    """Model that is always done. The number of its calls may vary, because one call may see several messages."""

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        return Completion(outcome=CompletionOutcome.OK, model="brief", step=DONE)


def build_router(harness: BotHarness) -> ConversationRouter:
    return ConversationRouter(harness.bot.engine.database, harness.bot.threads)


def build_new_thread(harness: BotHarness, text: str) -> NewThread:
    alice, address = person_address("alice"), Address("terminal:alice")
    message = IncomingMessage(
        text=text, by=alice, source=address, provenance=Provenance.VERIFIED_PERSON, at=harness.clock.now()
    )
    return NewThread(message=message, requester=alice, origin=address)


async def post(harness: BotHarness, text: str, *conversation_keys: str, event_id: str | None = None) -> str:
    """Post a message of Alice to a conversation and return the id of its thread."""
    claim = IdempotencyClaim("slack", (event_id or f"event:{text}",))
    commit = await build_router(harness).post(conversation_keys, build_new_thread(harness, text), claim)
    return commit.duplicate_of.thread_id if commit.duplicate_of else commit.after.thread_id


async def test_first_message_opens_a_thread_and_the_next_joins_it(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE, DONE)) as harness:
        thread_id = await post(harness, "hello", ROOT_KEY, ALIAS_KEY)
        await harness.wait_until_done(thread_id)
        assert await post(harness, "are you there", ROOT_KEY) == thread_id
        await harness.wait_until_done(thread_id)
        assert await build_router(harness).find_thread("slack", [ALIAS_KEY]) == thread_id
        assert (await harness.event_types(thread_id)).count("MessageReceived") == 2


async def test_other_conversations_and_channels_have_their_own_threads(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE, DONE)) as harness:
        first_id, second_id = await post(harness, "hello", ROOT_KEY), await post(harness, "hi", OTHER_ROOT_KEY)
        assert first_id != second_id
        assert await build_router(harness).find_thread("email", [ROOT_KEY]) is None
        await harness.wait_until_done(first_id)
        await harness.wait_until_done(second_id)


@on_every_setup
async def test_duplicate_message_is_recorded_once(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE)) as harness:
        thread_id = await post(harness, "hello", ROOT_KEY, event_id="event:1")
        assert await post(harness, "hello", ROOT_KEY, event_id="event:1") == thread_id
        await harness.wait_until_done(thread_id)
        assert (await harness.event_types(thread_id)).count("MessageReceived") == 1


@on_every_setup
async def test_concurrent_first_messages_open_one_thread(database: Database, running_bot) -> None:
    async with running_bot(database, ImmediateModel()) as harness:
        texts = [f"word {number}" for number in range(5)]
        thread_ids = set(await asyncio.gather(*(post(harness, text, ROOT_KEY) for text in texts)))
        assert len(thread_ids) == 1
        await harness.wait_until_done(*thread_ids)
        assert (await harness.event_types(*thread_ids)).count("MessageReceived") == 5


async def test_link_survives_a_cleared_cache(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE)) as harness:
        thread_id = await post(harness, "hello", ROOT_KEY)
        await harness.wait_until_done(thread_id)
        harness.bot.engine.store.clear_cache()
        assert await build_router(harness).find_thread("slack", [ROOT_KEY]) == thread_id
