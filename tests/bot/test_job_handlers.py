"""Who takes a wake-up begins with what it remembers, if that is not older than the wake-up, and never ends with it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, text

from agents.addresses import person
from agents.events import ThreadPaused
from agents.reducer import fold
from bot.job_handlers import JobHandlers
from bot.queue_worker import QueueWorker
from storage.database import Database
from storage.jobs import HeldJob
from storage.threads import Threads
from storage.writes import Writes
from tests.fakes.scripted import ScriptedModel
from tests.houses import House, house
from tests.postgres import administrator
from tests.storage.jobs.counter import WAIT, until_waiting

SHIP = {"intent": "ship", "tag": "v1"}


@pytest.fixture
async def home(postgres_url: str) -> AsyncIterator[House]:
    """A house in which nobody takes jobs but the test."""
    database = Database.open(postgres_url)
    async with house(database, shared=True) as opened:
        await opened.bot.wakeups.stop(grace=0)
        handlers_of(opened).stopping.clear()
        yield opened
    await database.close()


def handlers_of(home: House) -> JobHandlers:
    assert isinstance(home.bot.wakeups, QueueWorker)
    return home.bot.wakeups.handlers


def wake_up(thread: str, version: int | None, attempts: int = 0) -> HeldJob:
    known = {} if version is None else {"version": str(version)}
    return HeldJob({"thread": thread, "failed": "0", **known}, attempts)


@pytest.mark.parametrize(
    ("version", "attempts", "remembered"),
    [(2, 0, True), (1, 0, True), (3, 0, False), (None, 0, False), (2, 1, False)],
    ids=["as of then", "later", "older", "nobody said", "taken over"],
)
async def test_it_is_enough_to_remember_what_the_wake_up_was_for(
    home: House, version: int | None, attempts: int, remembered: bool
) -> None:
    thread = await home.says("ship v1")
    state = handlers_of(home)._remembered(wake_up(thread, version, attempts))
    assert (state is not None and state.version == 2) == remembered


async def test_what_is_not_in_mind_is_looked_up(home: House) -> None:
    thread = await home.says("ship v1")
    home.bot.engine.threads.forget()
    assert handlers_of(home)._remembered(wake_up(thread, 2)) is None


async def test_with_nothing_to_do_in_mind_it_looks_whether_there_is_news(home: House) -> None:
    thread = await home.says("ship v1")
    await home.bot.steering.cancel(thread, person("alice"))
    assert handlers_of(home)._remembered(wake_up(thread, 2)) is None


async def test_news_that_are_being_written_meanwhile_are_heeded_before_anything_is_done(postgres_url: str) -> None:
    """A pause is written whose wake-up was thought enough because ours waited; we remember nothing of it."""
    database, elsewhere = Database.open(postgres_url), Database.open(postgres_url)
    async with house(database, ScriptedModel(SHIP), shared=True) as home:
        await home.bot.wakeups.stop(grace=0)
        handlers_of(home).stopping.clear()
        thread = await home.says("ship v1")
        engine = administrator(postgres_url)
        with engine.connect() as other:
            other.execute(text("SELECT pg_advisory_lock(1)"))
            pausing = asyncio.create_task(elsewhere.write(lambda c, w: pause_slowly(c, w, thread)))
            await until_waiting(other, 1)
            moving = asyncio.create_task(handlers_of(home).advance(wake_up(thread, 2)))
            await until_waiting(other, 2)
            other.execute(text("SELECT pg_advisory_unlock(1)"))
        engine.dispose()
        await asyncio.gather(pausing, moving)
        assert await home.story(thread) == ["ThreadStarted", "MessageReceived", "ThreadPaused"]
    await database.close()
    await elsewhere.close()


def pause_slowly(connection: Connection, writes: Writes, thread: str) -> None:
    threads = Threads(shared=True)
    before = threads.load(connection, thread)
    paused = ThreadPaused(at=before.updated_at, actor=person("bob"), reason="wait")
    threads.append(writes, before, [paused], fold(before, [paused]))
    writes.add(WAIT, [{}])
