"""Jobs of a lock run one at a time, urgent ones first, scheduled ones at their time, and without delay."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import Connection, text

from storage.database.database import Database
from storage.database.postgres import conninfo
from storage.database.transactions import WriteBatch
from storage.jobs import QUEUES, RetryLater, defer
from tests.fakes.database_clock import DatabaseClock
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS
from tests.postgres import admin_engine
from tests.storage.jobs.recording_worker import (
    DISABLED_POLL_SECONDS,
    WAIT_FOR_ADVISORY_LOCK,
    JobRecorder,
    enqueue,
    job,
    list_jobs,
    running_worker,
    wait_for_blocked_transactions,
    wait_until_listening,
)

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


async def test_jobs_of_one_lock_run_in_order_others_concurrently(
    database: Database,
) -> None:
    recorder = JobRecorder(gates={"a0": asyncio.Event()})
    names = [f"{lock}{number}" for number in range(10) for lock in "abc"]
    await enqueue(database, *(job(name, lock=name[0]) for name in names))
    async with running_worker(database.url, recorder):
        await recorder.wait_until_done("b9", "c9")
        assert [name for name in recorder.started if name[0] == "a"] == ["a0"]
        recorder.gates["a0"].set()
        await recorder.wait_until_done("a9")
    assert recorder.max_concurrency_seen <= 3
    for lock in "abc":
        assert [name for name in recorder.done if name[0] == lock] == [f"{lock}{number}" for number in range(10)]


async def test_lock_holds_across_workers(database: Database) -> None:
    recorder = JobRecorder()
    async with running_worker(database.url, recorder), running_worker(database.url, recorder):
        names = [f"job {number}" for number in range(40)]
        await enqueue(database, *(job(name, lock="thread") for name in names))
        await recorder.wait_until_done(*names)
    assert recorder.max_concurrency_seen == 1
    assert recorder.done == names


async def test_urgent_job_runs_before_waiting_ones(database: Database) -> None:
    recorder = JobRecorder()
    await enqueue(database, job("first"), job("second"), job("urgent", priority=10), job("third"))
    async with running_worker(database.url, recorder, concurrency=1):
        await recorder.wait_until_done("first", "second", "urgent", "third")
    assert recorder.done == ["urgent", "first", "second", "third"]


async def test_scheduled_job_waits_and_delays_no_other(database: Database) -> None:
    clock, recorder = DatabaseClock(database.url), JobRecorder()
    clock.set_time(NOON)
    async with running_worker(database.url, recorder, poll=DISABLED_POLL_SECONDS):
        await wait_until_listening(database)
        await enqueue(database, job("later", at=NOON + timedelta(minutes=1)), job("now"))
        await recorder.wait_until_done("now")
        clock.set_time(NOON + timedelta(seconds=59))
        await enqueue(database, job("and now"))
        await recorder.wait_until_done("and now")
        assert recorder.done == ["now", "and now"]
        clock.set_time(NOON + timedelta(minutes=1))
        await recorder.wait_until_done("later")


async def test_slow_queue_does_not_delay_others(database: Database) -> None:
    recorder = JobRecorder(gates={"slow": asyncio.Event()})
    async with running_worker(database.url, recorder, queues=QUEUES, concurrency=1):
        await enqueue(database, job("slow", "deliver"), job("behind it", "deliver"))
        await recorder.wait_until_started("slow")
        await enqueue(database, job("quick", "advance"), job("timely", "timer"))
        await recorder.wait_until_done("quick", "timely")
        assert "behind it" not in recorder.started


async def test_retried_job_keeps_its_place(database: Database) -> None:
    clock, at = DatabaseClock(database.url), NOON + timedelta(seconds=30)
    clock.set_time(NOON)
    recorder = JobRecorder(planned_errors={"first": [RetryLater(at)]})
    async with running_worker(database.url, recorder, poll=DISABLED_POLL_SECONDS):
        await wait_until_listening(database)
        await enqueue(database, *(job(name, lock="to:alice") for name in ("first", "second", "third")))
        await enqueue(database, job("of bob", lock="to:bob"))
        await recorder.wait_until_done("first", "of bob")
        await enqueue(database, job("of bob too", lock="to:bob"), job("urgent", lock="to:alice", priority=10))
        await recorder.wait_until_done("of bob too")
        clock.set_time(at)
        await recorder.wait_until_done("third")
    of_alice = [name for name in recorder.done if "of bob" not in name]
    assert of_alice == ["first", "first", "urgent", "second", "third"]


async def test_any_other_exception_ends_the_job_and_frees_its_lock(database: Database) -> None:
    recorder = JobRecorder(planned_errors={"bad": [ZeroDivisionError()]})
    async with running_worker(database.url, recorder):
        await enqueue(database, job("bad", lock="thread"), job("good", lock="thread"))
        await recorder.wait_until_done("good")
    assert await database.transaction(list_jobs) == []


async def test_300_jobs_of_one_lock_run_without_polling(database: Database) -> None:
    """A notification during a fetch is not forgotten: without polling a lost one would block here for ever."""
    recorder = JobRecorder()
    names = [f"job {number}" for number in range(300)]
    async with running_worker(database.url, recorder, poll=DISABLED_POLL_SECONDS):
        await wait_until_listening(database)
        await enqueue(database, *(job(name, lock="thread") for name in names))
        await recorder.wait_until_done(*names)
    assert recorder.done == names


async def test_worker_can_be_stopped_at_any_time(database: Database) -> None:
    """Python 3.11 may lose a cancellation that coincides with the awaited result."""
    for iterations in range(0, 200, 8):
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS), running_worker(database.url, JobRecorder(), queues=QUEUES):
            for _ in range(iterations):
                await asyncio.sleep(0)


DELETE_RUNNING_JOBS = "DELETE FROM procrastinate_jobs WHERE status = 'doing'"


@pytest.mark.parametrize(
    ("statement", "waiting", "count"),
    [
        (DELETE_RUNNING_JOBS, ["two"], 1),
        (DELETE_RUNNING_JOBS, [], 0),
        ("UPDATE procrastinate_jobs SET status = 'todo' WHERE status = 'doing'", [], 1),
        ("UPDATE procrastinate_jobs SET status = 'failed' WHERE status = 'doing'", [], 1),
        ("UPDATE procrastinate_jobs SET priority = 3", ["two"], 0),
    ],
)
async def test_freed_lock_notifies_for_the_next_job(
    database: Database, statement: str, waiting: list[str], count: int
) -> None:
    await start_job(database, "one")
    await enqueue(database, *(job(name, lock="thread") for name in waiting))
    async with notifications_of_block(database) as notifications:
        await database.transaction(lambda connection: connection.execute(text(statement)))
    assert len(notifications) == count


async def test_each_new_job_notifies_once_and_scheduled_ones_never(database: Database) -> None:
    async with notifications_of_block(database) as notifications:
        await enqueue(database, job("one", lock="thread"), job("two"), job("later", at=NOON))
    assert len(notifications) == 2


async def test_job_that_ends_during_a_defer_notifies_for_the_new_one(database: Database) -> None:
    """The end waits for the defer.

    Otherwise the new job's notification would find the lock taken, and the end would find no waiting job.
    """
    await start_job(database, "one")
    engine = admin_engine(database.url)
    with engine.connect() as other:
        async with notifications_of_block(database) as notifications:
            defer_task = asyncio.create_task(database.commit_batch(_defer_and_wait_for_advisory_lock, for_update=True))
            other.execute(text("SELECT pg_advisory_lock(1)"))
            await wait_for_blocked_transactions(other, 1)
            end_task = asyncio.create_task(
                database.transaction(lambda connection: connection.execute(text(DELETE_RUNNING_JOBS)))
            )
            await wait_for_blocked_transactions(other, 2)
            other.execute(text("SELECT pg_advisory_unlock(1)"))
            await asyncio.gather(defer_task, end_task)
        assert len(notifications) == 2
    engine.dispose()


def _defer_and_wait_for_advisory_lock(_connection: Connection, writes: WriteBatch) -> None:
    defer(writes, [job("two", lock="thread")])
    writes.add(WAIT_FOR_ADVISORY_LOCK, [{}])


async def start_job(database: Database, name: str) -> None:
    """Add a running job of the thread."""
    await enqueue(database, job(name, lock="thread"))
    await database.transaction(
        lambda connection: connection.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
    )


@asynccontextmanager
async def notifications_of_block(database: Database) -> AsyncIterator[list[str]]:
    """Yield the notifications sent during the block; complete after it."""
    notifications: list[str] = []
    async with await psycopg.AsyncConnection.connect(conninfo(database.url), autocommit=True) as listener:
        await listener.execute('LISTEN "procrastinate_queue_v1#advance"')
        await listener.execute("LISTEN the_end")
        yield notifications
        await database.transaction(lambda connection: connection.execute(text("NOTIFY the_end")))
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            async for notification in listener.notifies():
                if notification.channel == "the_end":
                    break
                notifications.append(notification.payload)
