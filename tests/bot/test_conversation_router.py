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


def conversations(home: BotHarness) -> ConversationRouter:
    return ConversationRouter(home.bot.engine.database, home.bot.threads)


def opening(home: BotHarness, text: str) -> NewThread:
    alice, place = person_address("alice"), Address("terminal:alice")
    heard = IncomingMessage(
        text=text, by=alice, source=place, provenance=Provenance.VERIFIED_PERSON, at=home.clock.now()
    )
    return NewThread(message=heard, requester=alice, origin=place)


async def says(home: BotHarness, text: str, *places: str, key: str | None = None) -> str:
    claim = IdempotencyClaim("slack", (key or f"event:{text}",))
    recorded = await conversations(home).post(places, opening(home, text), claim)
    return recorded.duplicate_of.thread_id if recorded.duplicate_of else recorded.after.thread_id


async def test_the_first_word_opens_a_thread_and_the_next_reaches_it(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE, DONE)) as home:
        thread = await says(home, "hello", ROOT, ALIAS)
        await home.wait_until_settled(thread)
        assert await says(home, "are you there", ROOT) == thread
        await home.wait_until_settled(thread)
        assert await conversations(home).find_thread("slack", [ALIAS]) == thread
        assert (await home.event_types(thread)).count("MessageReceived") == 2


async def test_another_place_and_another_channel_have_their_own(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE, DONE)) as home:
        here, there = await says(home, "hello", ROOT), await says(home, "hi", ELSEWHERE)
        assert here != there
        assert await conversations(home).find_thread("email", [ROOT]) is None
        await home.wait_until_settled(here)
        await home.wait_until_settled(there)


async def test_what_comes_in_twice_is_heard_once(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE)) as home:
        thread = await says(home, "hello", ROOT, key="event:1")
        assert await says(home, "hello", ROOT, key="event:1") == thread
        await home.wait_until_settled(thread)
        assert (await home.event_types(thread)).count("MessageReceived") == 1


async def test_of_several_first_words_at_once_one_opens_the_thread_for_all(database: Database, running_bot) -> None:
    async with running_bot(database, ImmediateModel()) as home:
        words = [f"word {number}" for number in range(5)]
        threads = set(await asyncio.gather(*(says(home, word, ROOT) for word in words)))
        assert len(threads) == 1
        await home.wait_until_settled(*threads)
        assert (await home.event_types(*threads)).count("MessageReceived") == 5


async def test_a_place_is_remembered_by_the_next_process(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(DONE)) as home:
        thread = await says(home, "hello", ROOT)
        await home.wait_until_settled(thread)
        home.bot.engine.store.clear_cache()
        assert await conversations(home).find_thread("slack", [ROOT]) == thread
