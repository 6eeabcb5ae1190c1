"""A wake-up ends with the commit that leaves its thread nothing to do, and with no other."""

import pytest
from sqlalchemy import Connection, text

from agents.addresses import person_address
from agents.events import ThreadCancelled
from agents.next_step import next_work
from agents.reducer import fold
from agents.state import ThreadState
from agents.steps import DoneForNow
from bot.engine import CommitResult
from bot.job_completion import JobCompletion
from storage.database import Database
from storage.jobs import RunningJob
from storage.jobs.running_job import FINISH_STATEMENT
from storage.write_batch import WriteBatch
from tests.bot_harness import running_bot
from tests.fakes.scripted_model import ScriptedModel
from tests.histories import START
from tests.storage.test_event_store import opening_events

SHIP, DONE = {"intent": "ship", "tag": "v1"}, DoneForNow(message="Done.")


def recorded(*more: ThreadCancelled) -> CommitResult:
    events = (*opening_events(), *more)
    return CommitResult(ThreadState(), fold(ThreadState(), events), tuple(events))


def cancelled() -> CommitResult:
    return recorded(ThreadCancelled(at=START, actor=person_address("alice"), reason="never mind"))


@pytest.fixture
def job() -> RunningJob:
    return RunningJob({"thread": "thr_1"}, attempts=2, id=7)


def test_the_commit_that_leaves_nothing_to_do_ends_the_job(job: RunningJob) -> None:
    endings, writes, last = JobCompletion(), WriteBatch(), cancelled()
    with endings.track("thr_1", job):
        endings.enqueue_and_finish(writes, last)
        assert [write.rows for write in writes.statements if write.statement is FINISH_STATEMENT] == [
            ({"job": 7, "attempts": 2},)
        ]
        assert not job.is_finished, "nothing is committed yet"
        endings.on_commit(last)
    assert job.is_finished


def test_a_commit_after_which_there_is_something_to_do_does_not(job: RunningJob) -> None:
    endings, writes, first = JobCompletion(), WriteBatch(), recorded()
    assert next_work(first.after)
    with endings.track("thr_1", job):
        endings.enqueue_and_finish(writes, first)
        endings.on_commit(first)
    assert (writes.statements, job.is_finished) == ([], False)


def test_nor_does_a_commit_of_somebody_else_to_the_same_thread(job: RunningJob) -> None:
    endings, ours = JobCompletion(), cancelled()
    with endings.track("thr_1", job):
        endings.enqueue_and_finish(WriteBatch(), ours)
        endings.on_commit(cancelled())
    assert not job.is_finished


def test_nor_one_that_comes_when_the_job_is_over(job: RunningJob) -> None:
    endings, writes, last = JobCompletion(), WriteBatch(), cancelled()
    with endings.track("thr_1", job):
        pass
    endings.enqueue_and_finish(writes, last)
    endings.on_commit(last)
    assert (writes.statements, job.is_finished) == ([], False)


async def test_who_sees_a_card_or_a_reply_finds_the_lock_of_the_thread_free(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    async with running_bot(database, ScriptedModel(SHIP, DONE), has_job_queue=True) as home:
        seen: list[int] = []
        thread = await home.post_message("ship v1")
        request = await home.wait_for_request(thread)
        seen.append(await database.read(moving))
        await home.answer_request(request, "approve")
        await home.wait_until_settled(thread)
        seen.append(await database.read(moving))
        assert seen == [0, 0]
    await database.close()


def moving(connection: Connection) -> int:
    """How many jobs there are to move threads on; once an hour a job that keeps house is in the same queue."""
    query = text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'advance'")
    return int(connection.execute(query).scalar_one())
