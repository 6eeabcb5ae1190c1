"""Jobs are fetched again soon after connections or the server were lost."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from storage.database.database import Database
from storage.jobs.worker import WorkerStopped
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS
from tests.postgres import PostgresServer, start_server
from tests.storage.database.test_postgres import create_migrated_database, execute_as_admin, terminate_all_backends
from tests.storage.jobs.recording_worker import (
    DISABLED_POLL_SECONDS,
    JobRecorder,
    enqueue,
    job,
    list_jobs,
    pause,
    running_worker,
    wait_until_listening,
)


@pytest.fixture(scope="module")
def separate_server() -> Iterator[PostgresServer]:
    return start_server()


async def test_notifications_work_after_a_server_restart(separate_server: PostgresServer) -> None:
    database, recorder = Database.open(create_migrated_database(separate_server)), JobRecorder()
    async with running_worker(database.url, recorder, poll=DISABLED_POLL_SECONDS):
        await enqueue(database, job("before"))
        await recorder.wait_until_done("before")
        separate_server.stop()
        try:
            async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
                while not recorder.reported_errors:
                    await pause()
        finally:
            separate_server.start()
        await wait_until_listening(database)
        await enqueue(database, job("after", lock="thread"), job("and after", lock="thread"))
        await recorder.wait_until_done("after", "and after")
    await database.close()


async def test_job_done_while_the_server_is_down_is_finished_later(separate_server: PostgresServer) -> None:
    database, recorder = (
        Database.open(create_migrated_database(separate_server)),
        JobRecorder(gates={"slow": asyncio.Event()}),
    )
    async with running_worker(database.url, recorder):
        await enqueue(database, job("slow", lock="thread"), job("behind it", lock="thread"))
        await recorder.wait_until_started("slow")
        separate_server.stop()
        try:
            recorder.gates["slow"].set()
            await recorder.wait_until_done("slow")
        finally:
            separate_server.start()
        await recorder.wait_until_done("behind it")
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while await database.transaction(list_jobs):
                await pause()
    await database.close()


async def test_notifications_work_after_backends_were_terminated(database: Database) -> None:
    recorder = JobRecorder()
    async with running_worker(database.url, recorder, poll=DISABLED_POLL_SECONDS):
        for name in ("one", "two", "three"):
            await wait_until_listening(database)
            await enqueue(database, job(name))
            await recorder.wait_until_done(name)
            terminate_all_backends(database.url)
    assert recorder.done == ["one", "two", "three"]


async def test_polling_finds_a_job_whose_notification_was_lost(database: Database) -> None:
    recorder = JobRecorder()
    await database.transaction(
        lambda connection: connection.execute(text("DROP FUNCTION procrastinate_notify_queue_job_inserted_v1 CASCADE"))
    )
    async with running_worker(database.url, recorder, poll=0.1):
        await wait_until_listening(database)
        await enqueue(database, job("not notified"))
        await recorder.wait_until_done("not notified")


async def test_worker_that_ends_without_an_error_is_restarted(database: Database) -> None:
    """Procrastinate's worker stops itself when one of its side tasks fails."""
    recorder = JobRecorder()
    async with running_worker(database.url, recorder) as worker:
        await wait_until_listening(database)
        worker._workers["advance"].stop()
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while not any(isinstance(error, WorkerStopped) for error in recorder.reported_errors):
                await pause()
        await enqueue(database, job("after"))
        await recorder.wait_until_done("after")


async def test_connection_lost_while_finishing_a_job_leaves_no_lock(database: Database) -> None:
    recorder = JobRecorder()
    execute_as_admin(
        database.url,
        "CREATE SEQUENCE terminations; CREATE FUNCTION terminate_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF nextval('terminations') = 1 THEN "
        "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); END IF; "
        "RETURN OLD; END $$; "
        "CREATE TRIGGER terminate_once BEFORE DELETE ON procrastinate_jobs "
        "FOR EACH ROW EXECUTE FUNCTION terminate_once()",
    )
    async with running_worker(database.url, recorder):
        await enqueue(database, job("first", lock="thread"), job("behind it", lock="thread"))
        await recorder.wait_until_done("behind it")
        assert recorder.reported_errors
    assert recorder.done == ["first", "behind it"]
    assert await database.transaction(list_jobs) == []
