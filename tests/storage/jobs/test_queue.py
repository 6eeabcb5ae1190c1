"""A job is as durable as what causes it: there after the commit, gone after a roll-back, one for many wake-ups."""

from contextlib import suppress
from functools import partial

import pytest
from sqlalchemy import Connection, exc, text

from agents.errors import StoreUnavailable
from storage import inbox
from storage.database import Database
from storage.jobs import defer
from storage.write_batch import WriteBatch
from tests.histories import START
from tests.storage.jobs.recording_worker import enqueue, job, list_jobs
from tests.storage.test_database import add, count

BOTH_WAYS = pytest.mark.parametrize("locking", [False, True], ids=["at once", "one by one"])


def arrive(writes: WriteBatch, name: str) -> None:
    inbox.record_claim(writes, inbox.IdempotencyClaim("c", (name,)), "t", START, None)


@BOTH_WAYS
async def test_a_job_is_there_after_the_commit_of_its_event(database: Database, locking: bool) -> None:
    def work(_connection: Connection, writes: WriteBatch) -> None:
        arrive(writes, "event")
        defer(writes, [job("wake")])

    await database.commit_batch(work, for_update=locking)
    assert await database.transaction(list_jobs) == ["wake todo"]


@BOTH_WAYS
async def test_a_job_is_gone_after_a_roll_back_of_its_event(database: Database, locking: bool) -> None:
    def work(_connection: Connection, writes: WriteBatch) -> None:
        arrive(writes, "event")
        defer(writes, [job("wake")])
        raise LookupError

    with pytest.raises(LookupError):
        await database.commit_batch(work, for_update=locking)
    assert await database.transaction(list_jobs) == []
    assert await database.transaction(count) == 0


@BOTH_WAYS
async def test_of_several_wake_ups_that_wait_one_is_enough_and_every_event_is_kept(
    database: Database, locking: bool
) -> None:
    def work(_connection: Connection, writes: WriteBatch, name: str) -> None:
        arrive(writes, f"with {name}")
        defer(writes, [job(name, queueing_lock="thread")])

    for name in ("a", "b", "c"):
        await database.commit_batch(partial(work, name=name), for_update=locking)
    assert await database.transaction(list_jobs) == ["a todo"]
    assert await database.transaction(count) == 3


async def test_one_that_is_being_done_takes_no_news_so_another_one_waits(database: Database) -> None:
    await enqueue(database, job("a", queueing_lock="thread"))
    await database.transaction(
        lambda connection: connection.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
    )
    await enqueue(database, job("b", queueing_lock="thread"), job("c", queueing_lock="thread"))
    assert await database.transaction(list_jobs) == ["a doing", "b todo"]


_NAIVE = text("""SELECT procrastinate_defer_jobs_v1(ARRAY[
    ROW('advance', 'advance', 0, NULL, 'thread', '{}', NULL)::procrastinate_job_to_defer_v1
])""")


async def test_catching_the_refusal_outside_of_a_subtransaction_loses_the_event_without_a_word(
    database: Database,
) -> None:
    """The trap our function is there for; should this fail one day, the function may go."""

    def naive(connection: Connection) -> None:
        add("event")(connection)
        with suppress(exc.IntegrityError):
            connection.execute(_NAIVE)

    await enqueue(database, job("first", queueing_lock="thread"))
    await database.transaction(naive)
    assert await database.transaction(count) == 0


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("CREATE UNIQUE INDEX one_of_a_kind ON procrastinate_jobs (task_name)", "one_of_a_kind"),
        ("ALTER TABLE procrastinate_jobs ADD CHECK (priority > 0)", "check constraint"),
    ],
)
@BOTH_WAYS
async def test_every_other_refusal_of_a_job_takes_its_event_along(
    database: Database, trouble: str, told: str, locking: bool
) -> None:
    def work(_connection: Connection, writes: WriteBatch) -> None:
        arrive(writes, "event")
        defer(writes, [job("one", queueing_lock="1", priority=0), job("two", queueing_lock="2", priority=0)])

    await database.transaction(lambda connection: connection.execute(text(trouble)))
    with pytest.raises(StoreUnavailable, match=told):
        await database.commit_batch(work, for_update=locking)
    assert await database.transaction(count) == 0
    assert await database.transaction(list_jobs) == []
