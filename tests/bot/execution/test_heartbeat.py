"""The heartbeat continues while the event loop is busy, and stops when the loop is blocked for good."""

import asyncio
import threading
import time
from dataclasses import dataclass, field

import psycopg
import pytest
from sqlalchemy import text

from agents.core.errors import StoreUnavailable
from bot.execution.heartbeat import MAX_BLOCKED_SECONDS, HeartbeatThread
from bot.services.ids import generate_id, utc_now
from storage.database.database import Database, create_database_engine
from storage.database.postgres import conninfo
from storage.jobs import QUEUES
from storage.processes import HeartbeatConnection, Process, list_processes
from tests.fakes.postgres_proxy import postgres_proxy
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import running_bot
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS


@dataclass
class ManualHeartbeat:
    """Factory of a heartbeat thread that is not started: the test sets the time and calls `tick`."""

    time: float = 0.0
    beats: int = 0
    planned_errors: list[Exception] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def record(self) -> None:
        self.beats += 1
        if self.planned_errors:
            raise self.planned_errors.pop()

    def create_thread(self) -> HeartbeatThread:
        return HeartbeatThread(self.record, self.errors.append, lambda: self.time)


def test_heartbeat_continues_while_the_loop_is_blocked_for_a_while() -> None:
    manual = ManualHeartbeat()
    thread = manual.create_thread()
    for manual.time in (2.0, 22.0, MAX_BLOCKED_SECONDS - 1):
        thread.tick(threading.get_ident())
    assert manual.beats == 3


def test_heartbeat_stops_while_the_loop_is_blocked_for_good() -> None:
    manual = ManualHeartbeat()
    thread = manual.create_thread()
    manual.time = MAX_BLOCKED_SECONDS
    thread.tick(threading.get_ident())
    assert manual.beats == 0
    thread.mark_loop_alive()
    thread.tick(threading.get_ident())
    assert manual.beats == 1


def test_failed_heartbeat_is_reported_and_the_next_one_follows() -> None:
    manual, error = ManualHeartbeat(), ConnectionError()
    manual.planned_errors = [error]
    thread = manual.create_thread()
    thread.tick(threading.get_ident())
    thread.tick(threading.get_ident())
    assert (manual.beats, manual.errors) == (2, [error])


async def test_process_and_workers_have_heartbeats_while_the_loop_is_blocked(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    with psycopg.connect(conninfo(postgres_url), autocommit=True) as connection:
        async with running_bot(database, ScriptedModel(), has_job_queue=True) as harness:
            heartbeat = harness.bot.heartbeat
            assert heartbeat is not None
            assert heartbeat._thread is not None
            heartbeat._thread.interval_seconds = 0.05
            async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
                while len(harness.bot.backend.worker_ids) < len(QUEUES):  # noqa: ASYNC110 - Procrastinate sends no notification
                    await asyncio.sleep(0)
            connection.execute("UPDATE process SET seen_at = now() - interval '1 hour'")
            connection.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
            assert _has_recent_heartbeats(connection)  # this waits in the event loop's OS thread and so blocks the loop
    await database.close()


def _has_recent_heartbeats(connection: psycopg.Connection) -> bool:
    query = """SELECT (SELECT min(seen_at) FROM process) > now() - interval '1 minute'
        AND (SELECT min(last_heartbeat) FROM procrastinate_workers) > now() - interval '1 minute'"""
    deadline = time.monotonic() + WAIT_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if connection.execute(query).fetchone() == (True,):
            return True
    return False


def test_lost_connection_is_replaced_at_the_next_heartbeat(postgres_url: str) -> None:
    process = Process(id=generate_id(), role="web", host="here", pid=1, queues=(), concurrency=0, started_at=utc_now())
    heartbeat, engine = HeartbeatConnection.for_url(postgres_url), create_database_engine(postgres_url)
    heartbeat.record(process, (), utc_now())
    with engine.connect() as other:
        terminate = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'handrail heartbeat'"
        )
        other.execute(text(f"{terminate} AND datname = current_database()"))
    later = utc_now()
    for _ in range(2):
        try:
            heartbeat.record(process, (), later)
        except Exception:  # noqa: BLE001, S112 - the first call may notice the lost connection
            continue
    with engine.connect() as other:
        assert [status.last_seen_at for status in list_processes(other)] == [later]
    heartbeat.close()
    engine.dispose()


def test_heartbeat_reconnects_after_a_timeout(postgres_url: str) -> None:
    process = Process(
        id=generate_id(), role="worker", host="here", pid=1, queues=(), concurrency=0, started_at=utc_now()
    )
    with postgres_proxy(postgres_url) as proxy:
        heartbeat = HeartbeatConnection.for_url(proxy.url, timeout_seconds=2.0)
        heartbeat.record(process, (), utc_now())
        proxy.is_silent = True
        with pytest.raises(StoreUnavailable, match="the database does not answer"):
            heartbeat.record(process, (), utc_now())
        proxy.is_silent = False
        heartbeat.record(process, (), utc_now())
        heartbeat.close()
