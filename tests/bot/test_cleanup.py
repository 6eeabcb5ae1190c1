"""What nobody asks for any more does not stay for ever."""

import asyncio
from functools import partial

from agents.addresses import Address, person_address
from agents.messages import IncomingMessage, Provenance
from agents.steps import DoneForNow
from bot.cleanup import delete_expired
from bot.thread_service import NewThread
from storage.database import Database
from storage.inbox import IdempotencyClaim, find_duplicate
from tests.bot_harness import WAIT_TIMEOUT_SECONDS, BotHarness, running_bot
from tests.fakes.clock import FakeClock
from tests.fakes.scripted_model import ScriptedModel

TERMINAL = Address("terminal:alice")
DONE = DoneForNow(message="Done.")
CLAIM = IdempotencyClaim("terminal:alice", ("msg-1",))


async def arrives(harness: BotHarness) -> None:
    alice = person_address("alice")
    heard = IncomingMessage(
        text="look", by=alice, source=TERMINAL, provenance=Provenance.VERIFIED_PERSON, at=harness.clock.now()
    )
    opened = await harness.bot.threads.open(NewThread(message=heard, requester=alice, origin=TERMINAL), claim=CLAIM)
    await harness.wait_until_settled(opened.after.thread_id)


async def known(harness: BotHarness) -> bool:
    return await harness.bot.engine.database.read(lambda connection: find_duplicate(connection, CLAIM)) is not None


async def until_forgotten(harness: BotHarness) -> None:
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while await known(harness):
            pass


async def test_a_name_under_which_something_came_in_is_forgotten_while_the_bot_runs(sqlite_url: str) -> None:
    async with running_bot(Database.open(sqlite_url), ScriptedModel(DONE)) as harness:
        await arrives(harness)
        harness.clock.advance(days=30, seconds=1)
        await until_forgotten(harness)


async def test_it_is_known_for_thirty_days_and_forgotten_at_the_next_start(sqlite_url: str) -> None:
    clock = FakeClock()
    async with running_bot(Database.open(sqlite_url), ScriptedModel(DONE), clock=clock) as harness:
        await arrives(harness)
    clock.advance(days=30)
    async with running_bot(Database.open(sqlite_url), clock=clock, run="b") as harness:
        await harness.bot.engine.database.transaction(partial(delete_expired, now=clock.now()))
        assert await known(harness)
    clock.advance(seconds=1)
    async with running_bot(Database.open(sqlite_url), clock=clock, run="c") as harness:
        await until_forgotten(harness)
