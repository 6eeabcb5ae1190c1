"""Nobody holds a place of a worker while they wait for the clock."""

import asyncio
from datetime import timedelta

from sqlalchemy import Connection, text

from agents.completion import Completion, Outcome
from agents.model import Turn, Words
from agents.steps import DoneForNow
from bot.embedded import Embedded
from bot.jobs import timer_job
from bot.queue_worker import QueueWorker
from storage.database import Database
from storage.jobs import HeldJob
from tests.bot.conftest import SetUp
from tests.fakes.clock import FakeClock
from tests.fakes.scripted import ScriptedModel
from tests.houses import PATIENCE, house

DONE = DoneForNow(message="Done.")


class Moody:
    """A model with a bug for some; `met` tells how many met it."""

    def __init__(self) -> None:
        self.met = 0
        self.many = asyncio.Event()
        self.wanted = 0

    async def complete(self, turn: Turn, words: Words | None = None) -> Completion:
        if "boo" not in turn.prompt.user:
            return Completion(outcome=Outcome.OK, model="moody", step=DONE)
        self.met += 1
        if self.met == self.wanted:
            self.many.set()
        raise RuntimeError("a bug")


async def test_as_many_failing_threads_as_there_are_places_hold_up_no_other(
    database: Database, house, set_up: SetUp
) -> None:
    model = Moody()
    async with house(database, model) as home:
        parts = home.bot.wakeups
        model.wanted = parts.worker.concurrency if isinstance(parts, Embedded) else parts.queues["advance"]
        failing = [await home.says("boo") for _ in range(model.wanted)]
        async with asyncio.timeout(PATIENCE):
            await model.many.wait()
        await home.at_rest(await home.says("hello"))
        for thread in failing[:3]:
            assert (await home.bot.engine.load(thread)).status == "running"


async def test_a_timer_the_database_hands_out_early_waits_in_the_database(postgres_url: str) -> None:
    """Its clock is ahead of this process: the job goes back at once, for the time at which it is due here."""
    database, clock = Database.open(postgres_url), FakeClock()
    async with house(database, ScriptedModel(), shared=True, clock=clock) as home:
        assert isinstance(home.bot.wakeups, QueueWorker)
        at = clock.now() + timedelta(minutes=5)
        sleeping = len(clock._sleepers)
        job = timer_job("thr_none", at)
        async with asyncio.timeout(PATIENCE):
            await home.bot.wakeups.handlers.timer(HeldJob(job.args))
        assert len(clock._sleepers) == sleeping
        assert abs(await database.run(until_due) - 300) < 30
    await database.close()


def until_due(connection: Connection) -> float:
    """Seconds until the database hands out the only timer there is, by its own clock."""
    query = text("SELECT extract(epoch FROM scheduled_at - now()) FROM procrastinate_jobs WHERE queue_name = 'timer'")
    return float(connection.execute(query).scalar_one())
