"""A thread that waits to be retried, and a timer that is not due, hold no slot of a worker."""

import asyncio
from datetime import timedelta

from sqlalchemy import Connection, text

from agents.core.completion import Completion, CompletionOutcome
from agents.core.steps import DoneForNow
from agents.llm.base import ModelRequest, OnPartialReply
from bot.execution.embedded import EmbeddedBackend
from bot.execution.queue.backend import QueueBackend
from bot.execution.queue.jobs import timer_job
from storage.database.database import Database
from storage.jobs import RunningJob
from tests.bot.conftest import on_every_setup
from tests.fakes.clock import FakeClock
from tests.fakes.scripted_model import ScriptedModel
from tests.harness import bot as bot_harness
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

DONE = DoneForNow(message="Done.")


class PartlyFailingModel:
    """A model that raises for prompts with "boo"; `has_failed_often` is set at the `expected_failures`-th failure."""

    def __init__(self) -> None:
        self.failures = 0
        self.has_failed_often = asyncio.Event()
        self.expected_failures = 0

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        if "boo" not in model_request.prompt.user:
            return Completion(outcome=CompletionOutcome.OK, model="partly-failing", step=DONE)
        self.failures += 1
        if self.failures == self.expected_failures:
            self.has_failed_often.set()
        raise RuntimeError("a bug")


@on_every_setup  # SQLite, and PostgreSQL with and without the job queue
async def test_as_many_failing_threads_as_slots_do_not_delay_others(database: Database, running_bot) -> None:
    model = PartlyFailingModel()
    async with running_bot(database, model) as harness:
        backend = harness.bot.backend
        slot_count = backend.worker.concurrency if isinstance(backend, EmbeddedBackend) else backend.queues["advance"]
        model.expected_failures = slot_count
        failing_ids = [await harness.post_message("boo") for _ in range(slot_count)]
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            await model.has_failed_often.wait()
        await harness.wait_until_done(await harness.post_message("hello"))
        for thread_id in failing_ids[:3]:
            assert (await harness.bot.engine.load(thread_id)).status == "running"


async def test_timer_that_is_fetched_early_returns_to_the_database(postgres_url: str) -> None:
    """The database's clock is ahead: the job goes back at once, for the time at which it is due in this process."""
    database, clock = Database.open(postgres_url), FakeClock()
    async with bot_harness.running_bot(database, ScriptedModel(), has_job_queue=True, clock=clock) as harness:
        assert isinstance(harness.bot.backend, QueueBackend)
        at = clock.now() + timedelta(minutes=5)
        sleeper_count = len(clock._sleepers)
        job = timer_job("thr_none", at)
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            await harness.bot.backend.handlers.timer(RunningJob(job.args))
        assert len(clock._sleepers) == sleeper_count
        assert abs(await database.transaction(read_timer_delay) - 300) < 30
    await database.close()


def read_timer_delay(connection: Connection) -> float:
    """Return the seconds until the only timer job is due by the database's clock."""
    query = text("SELECT extract(epoch FROM scheduled_at - now()) FROM procrastinate_jobs WHERE queue_name = 'timer'")
    return float(connection.execute(query).scalar_one())
