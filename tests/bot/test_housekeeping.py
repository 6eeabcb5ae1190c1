"""What nobody asks for any more does not stay for ever."""

import asyncio
from functools import partial

from agents.addresses import Address, person
from agents.messages import Heard, Provenance
from agents.steps import DoneForNow
from bot.housekeeping import forget_the_old
from bot.intake import Opening
from storage.database import Database
from storage.inbox import Claim, seen
from tests.fakes.clock import FakeClock
from tests.fakes.scripted import ScriptedModel
from tests.houses import PATIENCE, House, house

TERMINAL = Address("terminal:alice")
DONE = DoneForNow(message="Done.")
CLAIM = Claim("terminal:alice", ("msg-1",))


async def arrives(home: House) -> None:
    alice = person("alice")
    heard = Heard(text="look", by=alice, source=TERMINAL, provenance=Provenance.VERIFIED_PERSON, at=home.clock.now())
    opened = await home.bot.intake.open(Opening(heard=heard, requester=alice, origin=TERMINAL), claim=CLAIM)
    await home.at_rest(opened.after.thread_id)


async def known(home: House) -> bool:
    return await home.bot.engine.database.read(lambda connection: seen(connection, CLAIM)) is not None


async def until_forgotten(home: House) -> None:
    async with asyncio.timeout(PATIENCE):
        while await known(home):
            pass


async def test_a_name_under_which_something_came_in_is_forgotten_while_the_bot_runs(sqlite_url: str) -> None:
    async with house(Database.open(sqlite_url), ScriptedModel(DONE)) as home:
        await arrives(home)
        home.clock.advance(days=30, seconds=1)
        await until_forgotten(home)


async def test_it_is_known_for_thirty_days_and_forgotten_at_the_next_start(sqlite_url: str) -> None:
    clock = FakeClock()
    async with house(Database.open(sqlite_url), ScriptedModel(DONE), clock=clock) as home:
        await arrives(home)
    clock.advance(days=30)
    async with house(Database.open(sqlite_url), clock=clock, run="b") as home:
        await home.bot.engine.database.run(partial(forget_the_old, now=clock.now()))
        assert await known(home)
    clock.advance(seconds=1)
    async with house(Database.open(sqlite_url), clock=clock, run="c") as home:
        await until_forgotten(home)
