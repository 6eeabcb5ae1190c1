"""A place outside has one thread: the first word opens it, all others reach it."""

import asyncio

from agents.addresses import Address, person_address
from agents.completion import Completion, CompletionOutcome
from agents.messages import IncomingMessage, Provenance
from agents.model import ModelRequest, OnPartialReply
from agents.steps import DoneForNow
from bot.conversation_router import ConversationRouter
from bot.thread_service import NewThread
from storage.database import Database
from storage.inbox import IdempotencyClaim
from tests.bot_harness import BotHarness
from tests.fakes.scripted_model import ScriptedModel

ROOT, ALIAS, ELSEWHERE = "T0/C1/1.0", "T0/C1/alias", "T0/C1/2.0"
DONE = DoneForNow(message="Done.")


class ImmediateModel:
    """A model that is done, however often it is asked: several words may be heard before it is."""

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        return Completion(outcome=CompletionOutcome.OK, model="brief", step=DONE)


def conversations(harness: BotHarness) -> ConversationRouter:
    return ConversationRouter(harness.bot.engine.database, harness.bot.threads)


def opening(harness: BotHarness, text: str) -> NewThread:
    alice, place = person_address("alice"), Address("terminal:alice")
    heard = IncomingMessage(
        text=text, by=alice, source=place, provenance=Provenance.VERIFIED_PERSON, at=harness.clock.now()
    )
    return NewThread(message=heard, requester=alice, origin=place)


async def says(harness: BotHarness, text: str, *places: str, key: str | None = None) -> str:
    claim = IdempotencyClaim("slack", (key or f"event:{text}",))
    recorded = await conversations(harness).post(places, opening(harness, text), claim)
    return recorded.duplicate_of.thread_id if recorded.duplicate_of else recorded.after.thread_id


async def test_the_first_word_opens_a_thread_and_the_next_reaches_it(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE, DONE)) as harness:
        thread = await says(harness, "hello", ROOT, ALIAS)
        await harness.wait_until_settled(thread)
        assert await says(harness, "are you there", ROOT) == thread
        await harness.wait_until_settled(thread)
        assert await conversations(harness).find_thread("slack", [ALIAS]) == thread
        assert (await harness.event_types(thread)).count("MessageReceived") == 2


async def test_another_place_and_another_channel_have_their_own(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE, DONE)) as harness:
        here, there = await says(harness, "hello", ROOT), await says(harness, "hi", ELSEWHERE)
        assert here != there
        assert await conversations(harness).find_thread("email", [ROOT]) is None
        await harness.wait_until_settled(here)
        await harness.wait_until_settled(there)


async def test_what_comes_in_twice_is_heard_once(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE)) as harness:
        thread = await says(harness, "hello", ROOT, key="event:1")
        assert await says(harness, "hello", ROOT, key="event:1") == thread
        await harness.wait_until_settled(thread)
        assert (await harness.event_types(thread)).count("MessageReceived") == 1


async def test_of_several_first_words_at_once_one_opens_the_thread_for_all(database: Database, running_bot) -> None:
    async with running_bot(database, ImmediateModel()) as harness:
        words = [f"word {number}" for number in range(5)]
        threads = set(await asyncio.gather(*(says(harness, word, ROOT) for word in words)))
        assert len(threads) == 1
        await harness.wait_until_settled(*threads)
        assert (await harness.event_types(*threads)).count("MessageReceived") == 5


async def test_a_place_is_remembered_by_the_next_process(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE)) as harness:
        thread = await says(harness, "hello", ROOT)
        await harness.wait_until_settled(thread)
        harness.bot.engine.store.clear_cache()
        assert await conversations(harness).find_thread("slack", [ROOT]) == thread
