"""Whatever happens to connections, jobs are taken again afterwards, and soon."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from storage.database import Database
from storage.jobs.worker import WorkerStopped
from tests.postgres import PostgresServer, start_server
from tests.storage.jobs.recording_worker import (
    DISABLED_POLL_SECONDS,
    WAIT_TIMEOUT_SECONDS,
    JobRecorder,
    enqueue,
    job,
    list_jobs,
    pause,
    running_worker,
    wait_until_listening,
)
from tests.storage.test_postgres import end_all_back_ends, migrated, order


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    return start_server()


async def test_after_the_server_was_away_jobs_are_rung_for_again(own_server: PostgresServer) -> None:
    database, counter = Database.open(migrated(own_server)), JobRecorder()
    async with running_worker(database.url, counter, poll=DISABLED_POLL_SECONDS):
        await enqueue(database, job("before"))
        await counter.wait_until_done("before")
        own_server.stop()
        try:
            async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
                while not counter.reported_errors:
                    await pause()
        finally:
            own_server.start()
        await wait_until_listening(database)
        await enqueue(database, job("after", lock="thread"), job("and after", lock="thread"))
        await counter.wait_until_done("after", "and after")
    await database.close()


async def test_what_is_done_while_the_server_is_away_is_ended_once_it_is_back(own_server: PostgresServer) -> None:
    database, counter = Database.open(migrated(own_server)), JobRecorder(gates={"slow": asyncio.Event()})
    async with running_worker(database.url, counter):
        await enqueue(database, job("slow", lock="thread"), job("behind it", lock="thread"))
        await counter.wait_until_started("slow")
        own_server.stop()
        try:
            counter.gates["slow"].set()
            await counter.wait_until_done("slow")
        finally:
            own_server.start()
        await counter.wait_until_done("behind it")
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while await database.transaction(list_jobs):
                await pause()
    await database.close()


async def test_after_all_back_ends_were_terminated_jobs_are_rung_for_again(database: Database) -> None:
    counter = JobRecorder()
    async with running_worker(database.url, counter, poll=DISABLED_POLL_SECONDS):
        for name in ("one", "two", "three"):
            await wait_until_listening(database)
            await enqueue(database, job(name))
            await counter.wait_until_done(name)
            end_all_back_ends(database.url)
    assert counter.done == ["one", "two", "three"]


async def test_a_bell_that_was_lost_is_made_up_for_by_looking(database: Database) -> None:
    counter = JobRecorder()
    await database.transaction(
        lambda c: c.execute(text("DROP FUNCTION procrastinate_notify_queue_job_inserted_v1 CASCADE"))
    )
    async with running_worker(database.url, counter, poll=0.1):
        await wait_until_listening(database)
        await enqueue(database, job("unheard of"))
        await counter.wait_until_done("unheard of")


async def test_a_worker_that_ends_without_an_error_begins_again(database: Database) -> None:
    """Procrastinate's does when one of its side tasks fails: then it stops itself."""
    counter = JobRecorder()
    async with running_worker(database.url, counter) as server:
        await wait_until_listening(database)
        server._workers["advance"].stop()
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while not any(isinstance(error, WorkerStopped) for error in counter.reported_errors):
                await pause()
        await enqueue(database, job("after"))
        await counter.wait_until_done("after")


async def test_a_connection_lost_while_a_job_is_ended_keeps_no_lock(database: Database) -> None:
    counter = JobRecorder()
    order(
        database.url,
        "CREATE SEQUENCE deaths; CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF nextval('deaths') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); END IF; "
        "RETURN OLD; END $$; "
        "CREATE TRIGGER dying BEFORE DELETE ON procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION die()",
    )
    async with running_worker(database.url, counter):
        await enqueue(database, job("ended with trouble", lock="thread"), job("behind it", lock="thread"))
        await counter.wait_until_done("behind it")
        assert counter.reported_errors
    assert counter.done == ["ended with trouble", "behind it"]
    assert await database.transaction(list_jobs) == []
