"""An `advance` job is finished by the commit that leaves its thread without work, and by no other commit."""

from dataclasses import replace

import pytest
from sqlalchemy import Connection, text

from agents.core.events import ThreadCancelled
from agents.core.next_step import next_work
from agents.core.reducer import fold
from agents.core.state import ThreadState
from agents.core.steps import DoneForNow
from agents.core.values import person_address
from bot.execution.queue.jobs import JobCompletion
from bot.services.engine import CommitResult
from storage.database.database import Database
from storage.database.transactions import WriteBatch
from storage.jobs import RunningJob
from storage.jobs.queue import FINISH_STATEMENT
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import running_bot
from tests.histories import START_TIME
from tests.storage.test_event_store import opening_events

SHIP, DONE = {"intent": "ship", "tag": "v1"}, DoneForNow(message="Done.")


def build_commit(*more_events: ThreadCancelled) -> CommitResult:
    events = (*opening_events(), *more_events)
    return CommitResult(ThreadState(), fold(ThreadState(), events), tuple(events), is_by_runner=True)


def build_final_commit() -> CommitResult:
    return build_commit(ThreadCancelled(at=START_TIME, actor=person_address("alice"), reason="never mind"))


@pytest.fixture
def job() -> RunningJob:
    return RunningJob({"thread": "thr_1"}, attempts=2, id=7)


def test_final_commit_finishes_the_job(job: RunningJob) -> None:
    completion, writes, final_commit = JobCompletion(), WriteBatch(), build_final_commit()
    with completion.track("thr_1", job):
        completion.enqueue(writes, final_commit)
        assert [write.rows for write in writes.statements if write.statement is FINISH_STATEMENT] == [
            ({"job": 7, "attempts": 2},)
        ]
        assert not job.is_finished, "nothing is committed yet"
        completion.on_commit(final_commit)
    assert job.is_finished


def test_commit_that_leaves_work_does_not_finish_the_job(job: RunningJob) -> None:
    completion, writes, first_commit = JobCompletion(), WriteBatch(), build_commit()
    assert next_work(first_commit.after)
    with completion.track("thr_1", job):
        completion.enqueue(writes, first_commit)
        completion.on_commit(first_commit)
    assert (writes.statements, job.is_finished) == ([], False)


def test_commit_of_another_writer_does_not_finish_the_job(job: RunningJob) -> None:
    completion, own_commit = JobCompletion(), build_final_commit()
    with completion.track("thr_1", job):
        completion.enqueue(WriteBatch(), own_commit)
        completion.on_commit(build_final_commit())
    assert not job.is_finished


def test_commit_finishes_its_own_job_if_the_next_one_runs_already(job: RunningJob) -> None:
    """Otherwise the next job would keep the lock of the thread for as long as its worker lives."""
    completion, final_commit, next_job = JobCompletion(), build_final_commit(), RunningJob({"thread": "thr_1"}, id=8)
    with completion.track("thr_1", job):
        completion.enqueue(WriteBatch(), final_commit)
        with completion.track("thr_1", next_job):
            completion.on_commit(final_commit)
    assert (job.is_finished, next_job.is_finished) == (True, False)


def test_commit_after_the_job_does_not_finish_it(job: RunningJob) -> None:
    completion, writes, final_commit = JobCompletion(), WriteBatch(), build_final_commit()
    with completion.track("thr_1", job):
        pass
    completion.enqueue(writes, final_commit)
    completion.on_commit(final_commit)
    assert (writes.statements, job.is_finished) == ([], False)


def test_only_commits_of_other_writers_enqueue_a_run_of_the_thread(job: RunningJob) -> None:
    completion, own_commit, own_writes, other_writes = JobCompletion(), build_commit(), WriteBatch(), WriteBatch()
    with completion.track("thr_1", job):
        completion.enqueue(own_writes, own_commit)
        completion.enqueue(other_writes, replace(own_commit, is_by_runner=False))
    assert own_writes.statements == []
    assert [row["queue"] for write in other_writes.statements for row in write.rows] == ["advance"]


async def test_lock_is_released_when_a_card_or_reply_is_visible(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    async with running_bot(database, ScriptedModel(SHIP, DONE), has_job_queue=True) as harness:
        counts: list[int] = []
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        counts.append(await database.read(count_advance_jobs))
        await harness.answer_request(request, "approve")
        await harness.wait_until_done(thread_id)
        counts.append(await database.read(count_advance_jobs))
        assert counts == [0, 0]
    await database.close()


def count_advance_jobs(connection: Connection) -> int:
    """Return the number of `advance` jobs; the queue also has an hourly cleanup job."""
    query = text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'advance'")
    return int(connection.execute(query).scalar_one())
