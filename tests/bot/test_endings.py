"""A wake-up ends with the commit that leaves its thread nothing to do, and with no other."""

import pytest
from sqlalchemy import Connection, text

from agents.addresses import person
from agents.events import ThreadCancelled
from agents.next_step import work
from agents.reducer import fold
from agents.state import ThreadState
from agents.steps import DoneForNow
from bot.endings import Endings
from bot.engine import Recorded
from storage.database import Database
from storage.jobs import HeldJob
from storage.jobs.held import END
from storage.writes import Writes
from tests.fakes.scripted import ScriptedModel
from tests.histories import START
from tests.houses import house
from tests.storage.test_threads import opening

SHIP, DONE = {"intent": "ship", "tag": "v1"}, DoneForNow(message="Done.")


def recorded(*more: ThreadCancelled) -> Recorded:
    events = (*opening(), *more)
    return Recorded(ThreadState(), fold(ThreadState(), events), tuple(events))


def cancelled() -> Recorded:
    return recorded(ThreadCancelled(at=START, actor=person("alice"), reason="never mind"))


@pytest.fixture
def job() -> HeldJob:
    return HeldJob({"thread": "thr_1"}, attempts=2, id=7)


def test_the_commit_that_leaves_nothing_to_do_ends_the_job(job: HeldJob) -> None:
    endings, writes, last = Endings(), Writes(), cancelled()
    with endings.of("thr_1", job):
        endings.defer(writes, last)
        assert [write.rows for write in writes.gathered if write.statement is END] == [({"job": 7, "attempts": 2},)]
        assert not job.ended, "nothing is committed yet"
        endings.notice(last)
    assert job.ended


def test_a_commit_after_which_there_is_something_to_do_does_not(job: HeldJob) -> None:
    endings, writes, first = Endings(), Writes(), recorded()
    assert work(first.after)
    with endings.of("thr_1", job):
        endings.defer(writes, first)
        endings.notice(first)
    assert (writes.gathered, job.ended) == ([], False)


def test_nor_does_a_commit_of_somebody_else_to_the_same_thread(job: HeldJob) -> None:
    endings, ours = Endings(), cancelled()
    with endings.of("thr_1", job):
        endings.defer(Writes(), ours)
        endings.notice(cancelled())
    assert not job.ended


def test_nor_one_that_comes_when_the_job_is_over(job: HeldJob) -> None:
    endings, writes, last = Endings(), Writes(), cancelled()
    with endings.of("thr_1", job):
        pass
    endings.defer(writes, last)
    endings.notice(last)
    assert (writes.gathered, job.ended) == ([], False)


async def test_who_sees_a_card_or_a_reply_finds_the_lock_of_the_thread_free(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    async with house(database, ScriptedModel(SHIP, DONE), shared=True) as home:
        seen: list[int] = []
        thread = await home.says("ship v1")
        request = await home.asked(thread)
        seen.append(await database.read(moving))
        await home.answers(request, "approve")
        await home.at_rest(thread)
        seen.append(await database.read(moving))
        assert seen == [0, 0]
    await database.close()


def moving(connection: Connection) -> int:
    """How many jobs there are to move threads on; once an hour a job that keeps house is in the same queue."""
    query = text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'advance'")
    return int(connection.execute(query).scalar_one())
