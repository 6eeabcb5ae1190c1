"""Tests of the cleanup of expired claims."""

import asyncio
from functools import partial

from agents.core.messages import IncomingMessage, Provenance
from agents.core.steps import DoneForNow
from agents.core.values import Address, person_address
from bot.execution.backend import delete_expired
from bot.services.threads import NewThread
from storage.database.database import Database
from storage.inbox import IdempotencyClaim, find_duplicate
from tests.fakes.clock import FakeClock
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import BotHarness, running_bot
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

ALICE_TERMINAL = Address("terminal:alice")
DONE = DoneForNow(message="Done.")
CLAIM = IdempotencyClaim("terminal:alice", ("msg-1",))


async def open_thread(harness: BotHarness) -> None:
    alice = person_address("alice")
    message = IncomingMessage(
        text="look", by=alice, source=ALICE_TERMINAL, provenance=Provenance.VERIFIED_PERSON, at=harness.clock.now()
    )
    commit = await harness.bot.threads.open(
        NewThread(message=message, requester=alice, origin=ALICE_TERMINAL), claim=CLAIM
    )
    await harness.wait_until_done(commit.after.thread_id)


async def is_claim_stored(harness: BotHarness) -> bool:
    return await harness.bot.engine.database.read(lambda connection: find_duplicate(connection, CLAIM)) is not None


async def wait_until_claim_is_deleted(harness: BotHarness) -> None:
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while await is_claim_stored(harness):
            pass


async def test_running_bot_deletes_expired_claims(sqlite_url: str) -> None:
    async with running_bot(Database.open(sqlite_url), ScriptedModel(DONE)) as harness:
        await open_thread(harness)
        harness.clock.advance(days=30, seconds=1)
        await wait_until_claim_is_deleted(harness)


async def test_claim_expires_after_30_days_and_is_deleted_at_the_next_start(sqlite_url: str) -> None:
    clock = FakeClock()
    async with running_bot(Database.open(sqlite_url), ScriptedModel(DONE), clock=clock) as harness:
        await open_thread(harness)
    clock.advance(days=30)
    async with running_bot(Database.open(sqlite_url), clock=clock, id_prefix="b") as harness:
        await harness.bot.engine.database.transaction(partial(delete_expired, now=clock.now()))
        assert await is_claim_stored(harness)
    clock.advance(seconds=1)
    async with running_bot(Database.open(sqlite_url), clock=clock, id_prefix="c") as harness:
        await wait_until_claim_is_deleted(harness)
