"""Nobody holds a place of a worker while they wait for the clock."""

import asyncio
from datetime import timedelta

from sqlalchemy import Connection, text

from agents.completion import Completion, CompletionOutcome
from agents.model import ModelRequest, OnPartialReply
from agents.steps import DoneForNow
from bot.embedded_backend import EmbeddedBackend
from bot.jobs import timer_job
from bot.queue_backend import QueueBackend
from storage.database import Database
from storage.jobs import RunningJob
from tests.bot.conftest import BotSetup
from tests.bot_harness import WAIT_TIMEOUT_SECONDS, running_bot
from tests.fakes.clock import FakeClock
from tests.fakes.scripted_model import ScriptedModel

DONE = DoneForNow(message="Done.")


class PartlyFailingModel:
    """A model with a bug for some; `met` tells how many met it."""

    def __init__(self) -> None:
        self.failures = 0
        self.many = asyncio.Event()
        self.wanted = 0

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        if "boo" not in model_request.prompt.user:
            return Completion(outcome=CompletionOutcome.OK, model="moody", step=DONE)
        self.failures += 1
        if self.failures == self.wanted:
            self.many.set()
        raise RuntimeError("a bug")


async def test_as_many_failing_threads_as_there_are_places_hold_up_no_other(
    database: Database, running_bot, set_up: BotSetup
) -> None:
    model = PartlyFailingModel()
    async with running_bot(database, model) as home:
        parts = home.bot.backend
        model.wanted = parts.worker.concurrency if isinstance(parts, EmbeddedBackend) else parts.queues["advance"]
        failing = [await home.post_message("boo") for _ in range(model.wanted)]
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            await model.many.wait()
        await home.wait_until_settled(await home.post_message("hello"))
        for thread in failing[:3]:
            assert (await home.bot.engine.load(thread)).status == "running"


async def test_a_timer_the_database_hands_out_early_waits_in_the_database(postgres_url: str) -> None:
    """Its clock is ahead of this process: the job goes back at once, for the time at which it is due here."""
    database, clock = Database.open(postgres_url), FakeClock()
    async with running_bot(database, ScriptedModel(), has_job_queue=True, clock=clock) as home:
        assert isinstance(home.bot.backend, QueueBackend)
        at = clock.now() + timedelta(minutes=5)
        sleeping = len(clock._sleepers)
        job = timer_job("thr_none", at)
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            await home.bot.backend.handlers.timer(RunningJob(job.args))
        assert len(clock._sleepers) == sleeping
        assert abs(await database.transaction(until_due) - 300) < 30
    await database.close()


def until_due(connection: Connection) -> float:
    """Seconds until the database hands out the only timer there is, by its own clock."""
    query = text("SELECT extract(epoch FROM scheduled_at - now()) FROM procrastinate_jobs WHERE queue_name = 'timer'")
    return float(connection.execute(query).scalar_one())
