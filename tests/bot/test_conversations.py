"""A place outside has one thread: the first word opens it, all others reach it."""

import asyncio

from agents.addresses import Address, person
from agents.completion import Completion, Outcome
from agents.messages import Heard, Provenance
from agents.model import Turn, Words
from agents.steps import DoneForNow
from bot.conversations import Conversations
from bot.intake import Opening
from storage.database import Database
from storage.inbox import Claim
from tests.fakes.scripted import ScriptedModel
from tests.houses import House

ROOT, ALIAS, ELSEWHERE = "T0/C1/1.0", "T0/C1/alias", "T0/C1/2.0"
DONE = DoneForNow(message="Done.")


class Brief:
    """A model that is done, however often it is asked: several words may be heard before it is."""

    async def complete(self, turn: Turn, words: Words | None = None) -> Completion:
        return Completion(outcome=Outcome.OK, model="brief", step=DONE)


def conversations(home: House) -> Conversations:
    return Conversations(home.bot.engine.database, home.bot.intake)


def opening(home: House, text: str) -> Opening:
    alice, place = person("alice"), Address("terminal:alice")
    heard = Heard(text=text, by=alice, source=place, provenance=Provenance.VERIFIED_PERSON, at=home.clock.now())
    return Opening(heard=heard, requester=alice, origin=place)


async def says(home: House, text: str, *places: str, key: str | None = None) -> str:
    claim = Claim("slack", (key or f"event:{text}",))
    recorded = await conversations(home).said(places, opening(home, text), claim)
    return recorded.earlier.thread_id if recorded.earlier else recorded.after.thread_id


async def test_the_first_word_opens_a_thread_and_the_next_reaches_it(database: Database, house) -> None:
    async with house(database, ScriptedModel(DONE, DONE)) as home:
        thread = await says(home, "hello", ROOT, ALIAS)
        await home.at_rest(thread)
        assert await says(home, "are you there", ROOT) == thread
        await home.at_rest(thread)
        assert await conversations(home).thread_at("slack", [ALIAS]) == thread
        assert (await home.story(thread)).count("MessageReceived") == 2


async def test_another_place_and_another_channel_have_their_own(database: Database, house) -> None:
    async with house(database, ScriptedModel(DONE, DONE)) as home:
        here, there = await says(home, "hello", ROOT), await says(home, "hi", ELSEWHERE)
        assert here != there
        assert await conversations(home).thread_at("email", [ROOT]) is None
        await home.at_rest(here)
        await home.at_rest(there)


async def test_what_comes_in_twice_is_heard_once(database: Database, house) -> None:
    async with house(database, ScriptedModel(DONE)) as home:
        thread = await says(home, "hello", ROOT, key="event:1")
        assert await says(home, "hello", ROOT, key="event:1") == thread
        await home.at_rest(thread)
        assert (await home.story(thread)).count("MessageReceived") == 1


async def test_of_several_first_words_at_once_one_opens_the_thread_for_all(database: Database, house) -> None:
    async with house(database, Brief()) as home:
        words = [f"word {number}" for number in range(5)]
        threads = set(await asyncio.gather(*(says(home, word, ROOT) for word in words)))
        assert len(threads) == 1
        await home.at_rest(*threads)
        assert (await home.story(*threads)).count("MessageReceived") == 5


async def test_a_place_is_remembered_by_the_next_process(database: Database, house) -> None:
    async with house(database, ScriptedModel(DONE)) as home:
        thread = await says(home, "hello", ROOT)
        await home.at_rest(thread)
        home.bot.engine.threads.forget()
        assert await conversations(home).thread_at("slack", [ROOT]) == thread
