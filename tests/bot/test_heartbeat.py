"""The heartbeat goes on while the event loop is busy, and ends when the loop is blocked for good."""

import asyncio
import threading
import time
from dataclasses import dataclass, field

import psycopg
import pytest
from sqlalchemy import text

from agents.errors import StoreUnavailable
from bot.heartbeat import MAX_BLOCKED_SECONDS, HeartbeatThread
from bot.ids import generate_id, utc_now
from storage.database import Database, create_database_engine
from storage.heartbeats import HeartbeatConnection
from storage.jobs import QUEUES
from storage.postgres import conninfo
from storage.processes import Process, list_processes
from tests.bot_harness import WAIT_TIMEOUT_SECONDS, running_bot
from tests.fakes.postgres_proxy import postgres_proxy
from tests.fakes.scripted_model import ScriptedModel


@dataclass
class ManualHeartbeat:
    """A process whose heartbeat is driven by hand."""

    time: float = 0.0
    beats: int = 0
    planned_errors: list[Exception] = field(default_factory=list)
    failed: list[Exception] = field(default_factory=list)

    def beat(self) -> None:
        self.beats += 1
        if self.planned_errors:
            raise self.planned_errors.pop()

    def heart(self) -> HeartbeatThread:
        return HeartbeatThread(self.beat, self.failed.append, lambda: self.time)


def test_a_loop_that_is_blocked_for_a_while_is_alive() -> None:
    patient = ManualHeartbeat()
    heart = patient.heart()
    for patient.time in (2.0, 22.0, MAX_BLOCKED_SECONDS - 1):
        heart.tick(threading.get_ident())
    assert patient.beats == 3


def test_a_loop_that_is_blocked_for_good_is_dead_until_it_turns_again() -> None:
    patient = ManualHeartbeat()
    heart = patient.heart()
    patient.time = MAX_BLOCKED_SECONDS
    heart.tick(threading.get_ident())
    assert patient.beats == 0
    heart.mark_loop_alive()
    heart.tick(threading.get_ident())
    assert patient.beats == 1


def test_a_beat_that_fails_is_told_of_and_followed_by_others() -> None:
    patient, error = ManualHeartbeat(), ConnectionError()
    patient.planned_errors = [error]
    heart = patient.heart()
    heart.tick(threading.get_ident())
    heart.tick(threading.get_ident())
    assert (patient.beats, patient.failed) == (2, [error])


async def test_a_process_and_its_workers_are_seen_while_its_loop_is_blocked(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    with psycopg.connect(conninfo(postgres_url), autocommit=True) as outside:
        async with running_bot(database, ScriptedModel(), has_job_queue=True) as home:
            presence = home.bot.heartbeat
            assert presence is not None
            assert presence._thread is not None
            presence._thread.interval_seconds = 0.05
            async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
                while len(home.bot.backend.worker_ids) < len(QUEUES):  # noqa: ASYNC110 - Procrastinate tells nobody
                    await asyncio.sleep(0)
            outside.execute("UPDATE process SET seen_at = now() - interval '1 hour'")
            outside.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
            assert _seen_again(outside)  # this waits on the event loop's own thread, so the loop is blocked
    await database.close()


def _seen_again(outside: psycopg.Connection) -> bool:
    query = """SELECT (SELECT min(seen_at) FROM process) > now() - interval '1 minute'
        AND (SELECT min(last_heartbeat) FROM procrastinate_workers) > now() - interval '1 minute'"""
    deadline = time.monotonic() + WAIT_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if outside.execute(query).fetchone() == (True,):
            return True
    return False


def test_a_lost_connection_is_replaced_at_the_next_beat(postgres_url: str) -> None:
    process = Process(generate_id(), "web", "here", 1, (), 0, utc_now())
    pulse, engine = HeartbeatConnection.for_url(postgres_url), create_database_engine(postgres_url)
    pulse.record(process, (), utc_now())
    with engine.connect() as other:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'handrail heartbeat'"
        other.execute(text(f"{end} AND datname = current_database()"))
    later = utc_now()
    for _ in range(2):
        try:
            pulse.record(process, (), later)
        except Exception:  # noqa: BLE001, S112 - the first one may find out
            continue
    with engine.connect() as other:
        assert [seen.last_seen_at for seen in list_processes(other)] == [later]
    pulse.close()
    engine.dispose()


def test_heartbeat_on_a_silent_connection_fails_and_the_next_one_connects_anew(postgres_url: str) -> None:
    process = Process(generate_id(), "worker", "here", 1, (), 0, utc_now())
    with postgres_proxy(postgres_url) as through:
        pulse = HeartbeatConnection.for_url(through.url, timeout_seconds=0.3)
        pulse.record(process, (), utc_now())
        through.is_silent = True
        with pytest.raises(StoreUnavailable, match="the database does not answer"):
            pulse.record(process, (), utc_now())
        through.is_silent = False
        pulse.record(process, (), utc_now())
        pulse.close()
