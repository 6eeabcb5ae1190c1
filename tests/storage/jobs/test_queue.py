"""A job is committed or rolled back with its cause, and waiting jobs are coalesced."""

from contextlib import suppress
from functools import partial

import pytest
from sqlalchemy import Connection, exc, text

from agents.core.errors import StoreUnavailable
from storage import inbox
from storage.database.database import Database
from storage.database.transactions import WriteBatch
from storage.jobs import defer
from tests.histories import START_TIME
from tests.storage.database.test_database import count_rows, insert_row
from tests.storage.jobs.recording_worker import enqueue, job, list_jobs

BOTH_COMMIT_METHODS = pytest.mark.parametrize("for_update", [False, True], ids=["batch", "transaction"])


def record_arrival(writes: WriteBatch, name: str) -> None:
    inbox.record_claim(writes, inbox.IdempotencyClaim("c", (name,)), "t", START_TIME, None)


@BOTH_COMMIT_METHODS
async def test_job_exists_after_the_commit_of_its_event(database: Database, for_update: bool) -> None:
    def function(_connection: Connection, writes: WriteBatch) -> None:
        record_arrival(writes, "event")
        defer(writes, [job("wake")])

    await database.commit_batch(function, for_update=for_update)
    assert await database.transaction(list_jobs) == ["wake todo"]


@BOTH_COMMIT_METHODS
async def test_job_is_removed_by_a_rollback(database: Database, for_update: bool) -> None:
    def function(_connection: Connection, writes: WriteBatch) -> None:
        record_arrival(writes, "event")
        defer(writes, [job("wake")])
        raise LookupError

    with pytest.raises(LookupError):
        await database.commit_batch(function, for_update=for_update)
    assert await database.transaction(list_jobs) == []
    assert await database.transaction(count_rows) == 0


@BOTH_COMMIT_METHODS
async def test_waiting_jobs_are_coalesced_and_all_events_kept(database: Database, for_update: bool) -> None:
    def function(_connection: Connection, writes: WriteBatch, name: str) -> None:
        record_arrival(writes, f"with {name}")
        defer(writes, [job(name, queueing_lock="thread")])

    for name in ("a", "b", "c"):
        await database.commit_batch(partial(function, name=name), for_update=for_update)
    assert await database.transaction(list_jobs) == ["a todo"]
    assert await database.transaction(count_rows) == 3


async def test_running_job_does_not_coalesce_a_new_one(database: Database) -> None:
    await enqueue(database, job("a", queueing_lock="thread"))
    await database.transaction(
        lambda connection: connection.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
    )
    await enqueue(database, job("b", queueing_lock="thread"), job("c", queueing_lock="thread"))
    assert await database.transaction(list_jobs) == ["a doing", "b todo"]


_DEFER_WITHOUT_SAVEPOINT = text("""SELECT procrastinate_defer_jobs_v1(ARRAY[
    ROW('advance', 'advance', 0, NULL, 'thread', '{}', NULL)::procrastinate_job_to_defer_v1
])""")


async def test_unique_violation_without_a_savepoint_loses_the_event(
    database: Database,
) -> None:
    """The function `handrail_defer` exists because of this. If this test fails, it may be removed."""

    def defer_without_savepoint(connection: Connection) -> None:
        insert_row("event")(connection)
        with suppress(exc.IntegrityError):
            connection.execute(_DEFER_WITHOUT_SAVEPOINT)

    await enqueue(database, job("first", queueing_lock="thread"))
    await database.transaction(defer_without_savepoint)
    assert await database.transaction(count_rows) == 0


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE UNIQUE INDEX one_of_a_kind ON procrastinate_jobs (task_name)", "one_of_a_kind"),
        ("ALTER TABLE procrastinate_jobs ADD CHECK (priority > 0)", "check constraint"),
    ],
)
@BOTH_COMMIT_METHODS
async def test_other_errors_of_a_job_roll_back_its_event(
    database: Database, statement: str, message: str, for_update: bool
) -> None:
    def function(_connection: Connection, writes: WriteBatch) -> None:
        record_arrival(writes, "event")
        defer(writes, [job("one", queueing_lock="1", priority=0), job("two", queueing_lock="2", priority=0)])

    await database.transaction(lambda connection: connection.execute(text(statement)))
    with pytest.raises(StoreUnavailable, match=message):
        await database.commit_batch(function, for_update=for_update)
    assert await database.transaction(count_rows) == 0
    assert await database.transaction(list_jobs) == []
