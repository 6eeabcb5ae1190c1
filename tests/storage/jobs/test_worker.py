"""Jobs are taken one at a time for each lock, the urgent ones first, none before its time, and soon."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import Connection, text

from storage.database import Database
from storage.jobs import QUEUES, RetryLater, defer
from storage.postgres import conninfo
from storage.write_batch import WriteBatch
from tests.fakes.database_clock import DatabaseClock
from tests.postgres import admin_engine
from tests.storage.jobs.recording_worker import (
    DISABLED_POLL_SECONDS,
    WAIT_FOR_LOCK,
    WAIT_TIMEOUT_SECONDS,
    JobRecorder,
    enqueue,
    job,
    list_jobs,
    running_worker,
    wait_for_blocked_transactions,
    wait_until_listening,
)

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


async def test_jobs_of_one_lock_run_one_at_a_time_and_in_order_and_those_of_others_meanwhile(
    database: Database,
) -> None:
    counter = JobRecorder(gates={"a0": asyncio.Event()})
    names = [f"{lock}{number}" for number in range(10) for lock in "abc"]
    await enqueue(database, *(job(name, lock=name[0]) for name in names))
    async with running_worker(database.url, counter):
        await counter.wait_until_done("b9", "c9")
        assert [name for name in counter.started if name[0] == "a"] == ["a0"]
        counter.gates["a0"].set()
        await counter.wait_until_done("a9")
    assert counter.max_concurrency_seen <= 3
    for lock in "abc":
        assert [name for name in counter.done if name[0] == lock] == [f"{lock}{number}" for number in range(10)]


async def test_the_lock_is_kept_among_several_servers(database: Database) -> None:
    counter = JobRecorder()
    async with running_worker(database.url, counter), running_worker(database.url, counter):
        names = [f"job {number}" for number in range(40)]
        await enqueue(database, *(job(name, lock="thread") for name in names))
        await counter.wait_until_done(*names)
    assert counter.max_concurrency_seen == 1
    assert counter.done == names


async def test_a_decision_goes_before_what_waits_already(database: Database) -> None:
    counter = JobRecorder()
    await enqueue(database, job("first"), job("second"), job("decided", priority=10), job("third"))
    async with running_worker(database.url, counter, concurrency=1):
        await counter.wait_until_done("first", "second", "decided", "third")
    assert counter.done == ["decided", "first", "second", "third"]


async def test_a_job_for_later_is_not_done_before_and_keeps_nobody_waiting(database: Database) -> None:
    clock, counter = DatabaseClock(database.url), JobRecorder()
    clock.set_time(NOON)
    async with running_worker(database.url, counter, poll=DISABLED_POLL_SECONDS):
        await wait_until_listening(database)
        await enqueue(database, job("later", at=NOON + timedelta(minutes=1)), job("now"))
        await counter.wait_until_done("now")
        clock.set_time(NOON + timedelta(seconds=59))
        await enqueue(database, job("and now"))
        await counter.wait_until_done("and now")
        assert counter.done == ["now", "and now"]
        clock.set_time(NOON + timedelta(minutes=1))
        await counter.wait_until_done("later")


async def test_a_slow_queue_holds_up_no_other(database: Database) -> None:
    counter = JobRecorder(gates={"slow": asyncio.Event()})
    async with running_worker(database.url, counter, queues=QUEUES, concurrency=1):
        await enqueue(database, job("slow", "deliver"), job("behind it", "deliver"))
        await counter.wait_until_started("slow")
        await enqueue(database, job("quick", "advance"), job("timely", "timer"))
        await counter.wait_until_done("quick", "timely")
        assert "behind it" not in counter.started


async def test_later_keeps_the_place_of_a_job_before_those_that_came_after_it(database: Database) -> None:
    clock, at = DatabaseClock(database.url), NOON + timedelta(seconds=30)
    clock.set_time(NOON)
    counter = JobRecorder(planned_errors={"first": [RetryLater(at)]})
    async with running_worker(database.url, counter, poll=DISABLED_POLL_SECONDS):
        await wait_until_listening(database)
        await enqueue(database, *(job(name, lock="to:alice") for name in ("first", "second", "third")))
        await enqueue(database, job("elsewhere", lock="to:bob"))
        await counter.wait_until_done("first", "elsewhere")
        await enqueue(database, job("still elsewhere", lock="to:bob"), job("urgent", lock="to:alice", priority=10))
        await counter.wait_until_done("still elsewhere")
        clock.set_time(at)
        await counter.wait_until_done("third")
    here = [name for name in counter.done if "elsewhere" not in name]
    assert here == ["first", "first", "urgent", "second", "third"]


async def test_whatever_a_handler_raises_but_later_ends_the_job_and_frees_its_lock(database: Database) -> None:
    counter = JobRecorder(planned_errors={"bad": [ZeroDivisionError()]})
    async with running_worker(database.url, counter):
        await enqueue(database, job("bad", lock="thread"), job("good", lock="thread"))
        await counter.wait_until_done("good")
    assert await database.transaction(list_jobs) == []


async def test_three_hundred_jobs_of_one_lock_follow_each_other_without_a_single_poll(database: Database) -> None:
    """A ring that is heard while a worker looks for a job is not forgotten: one lost would wait here for ever."""
    counter = JobRecorder()
    names = [f"job {number}" for number in range(300)]
    async with running_worker(database.url, counter, poll=DISABLED_POLL_SECONDS):
        await wait_until_listening(database)
        await enqueue(database, *(job(name, lock="thread") for name in names))
        await counter.wait_until_done(*names)
    assert counter.done == names


async def test_it_ends_whenever_it_is_stopped_also_while_it_starts(database: Database) -> None:
    """Python 3.11 may lose a cancellation that comes together with what was waited for."""
    for moment in range(0, 200, 8):
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS), running_worker(database.url, JobRecorder(), queues=QUEUES):
            for _ in range(moment):
                await asyncio.sleep(0)


FREE = "DELETE FROM procrastinate_jobs WHERE status = 'doing'"


@pytest.mark.parametrize(
    ("change", "behind", "rings"),
    [
        (FREE, ["two"], 1),
        (FREE, [], 0),
        ("UPDATE procrastinate_jobs SET status = 'todo' WHERE status = 'doing'", [], 1),
        ("UPDATE procrastinate_jobs SET status = 'failed' WHERE status = 'doing'", [], 1),
        ("UPDATE procrastinate_jobs SET priority = 3", ["two"], 0),
    ],
)
async def test_whatever_frees_a_lock_rings_for_the_jobs_behind_it(
    database: Database, change: str, behind: list[str], rings: int
) -> None:
    await doing(database, "one")
    await enqueue(database, *(job(name, lock="thread") for name in behind))
    async with ear(database) as heard:
        await database.transaction(lambda connection: connection.execute(text(change)))
    assert len(heard) == rings


async def test_new_jobs_ring_once_each_and_jobs_for_later_not_at_all(database: Database) -> None:
    async with ear(database) as heard:
        await enqueue(database, job("one", lock="thread"), job("two"), job("later", at=NOON))
    assert len(heard) == 2


async def test_a_job_that_ends_while_another_is_deferred_behind_it_rings_for_that(database: Database) -> None:
    """Its ring would find the lock taken, and whoever frees the lock would find nobody waiting."""
    await doing(database, "one")
    engine = admin_engine(database.url)
    with engine.connect() as other:
        async with ear(database) as heard:
            deferring = asyncio.create_task(database.commit_batch(_deferring_slowly, for_update=True))
            other.execute(text("SELECT pg_advisory_lock(1)"))
            await wait_for_blocked_transactions(other, 1)
            ending = asyncio.create_task(database.transaction(lambda connection: connection.execute(text(FREE))))
            await wait_for_blocked_transactions(other, 2)
            other.execute(text("SELECT pg_advisory_unlock(1)"))
            await asyncio.gather(deferring, ending)
        assert len(heard) == 2
    engine.dispose()


def _deferring_slowly(_connection: Connection, writes: WriteBatch) -> None:
    defer(writes, [job("two", lock="thread")])
    writes.add(WAIT_FOR_LOCK, [{}])


async def doing(database: Database, name: str) -> None:
    """A job of the thread that somebody has."""
    await enqueue(database, job(name, lock="thread"))
    await database.transaction(
        lambda connection: connection.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
    )


@asynccontextmanager
async def ear(database: Database) -> AsyncIterator[list[str]]:
    """What rings in the block, complete once it has ended."""
    heard: list[str] = []
    async with await psycopg.AsyncConnection.connect(conninfo(database.url), autocommit=True) as listener:
        await listener.execute('LISTEN "procrastinate_queue_v1#advance"')
        await listener.execute("LISTEN the_end")
        yield heard
        await database.transaction(lambda connection: connection.execute(text("NOTIFY the_end")))
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            async for notification in listener.notifies():
                if notification.channel == "the_end":
                    break
                heard.append(notification.payload)
