"""The heartbeat goes on while the event loop is busy, and ends when the loop is blocked for good."""

import asyncio
import threading
import time
from dataclasses import dataclass, field

import psycopg
import pytest
from sqlalchemy import text

from agents.errors import StoreUnavailable
from bot.heartbeat import MAX_BLOCKED_SECONDS, Heartbeat
from bot.ids import fresh_id, utc_now
from storage.database import Database, connect
from storage.heartbeats import Pulse
from storage.jobs import QUEUES
from storage.postgres import conninfo
from storage.processes import Process, seen_processes
from tests.fakes.scripted import ScriptedModel
from tests.fakes.wire import wire
from tests.houses import PATIENCE, house


@dataclass
class Patient:
    """A process whose heartbeat is driven by hand."""

    time: float = 0.0
    beats: int = 0
    trouble: list[Exception] = field(default_factory=list)
    failed: list[Exception] = field(default_factory=list)

    def beat(self) -> None:
        self.beats += 1
        if self.trouble:
            raise self.trouble.pop()

    def heart(self) -> Heartbeat:
        return Heartbeat(self.beat, self.failed.append, lambda: self.time)


def test_a_loop_that_is_blocked_for_a_while_is_alive() -> None:
    patient = Patient()
    heart = patient.heart()
    for patient.time in (2.0, 22.0, MAX_BLOCKED_SECONDS - 1):
        heart.act(threading.get_ident())
    assert patient.beats == 3


def test_a_loop_that_is_blocked_for_good_is_dead_until_it_turns_again() -> None:
    patient = Patient()
    heart = patient.heart()
    patient.time = MAX_BLOCKED_SECONDS
    heart.act(threading.get_ident())
    assert patient.beats == 0
    heart.turned()
    heart.act(threading.get_ident())
    assert patient.beats == 1


def test_a_beat_that_fails_is_told_of_and_followed_by_others() -> None:
    patient, error = Patient(), ConnectionError()
    patient.trouble = [error]
    heart = patient.heart()
    heart.act(threading.get_ident())
    heart.act(threading.get_ident())
    assert (patient.beats, patient.failed) == (2, [error])


async def test_a_process_and_its_workers_are_seen_while_its_loop_is_blocked(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    with psycopg.connect(conninfo(postgres_url), autocommit=True) as outside:
        async with house(database, ScriptedModel(), shared=True) as home:
            presence = home.bot.presence
            assert presence is not None
            assert presence._heartbeat is not None
            presence._heartbeat.interval = 0.05
            async with asyncio.timeout(PATIENCE):
                while len(home.bot.wakeups.worker_ids) < len(QUEUES):  # noqa: ASYNC110 - Procrastinate tells nobody
                    await asyncio.sleep(0)
            outside.execute("UPDATE process SET seen_at = now() - interval '1 hour'")
            outside.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
            assert _seen_again(outside)  # this waits on the event loop's own thread, so the loop is blocked
    await database.close()


def _seen_again(outside: psycopg.Connection) -> bool:
    query = """SELECT (SELECT min(seen_at) FROM process) > now() - interval '1 minute'
        AND (SELECT min(last_heartbeat) FROM procrastinate_workers) > now() - interval '1 minute'"""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if outside.execute(query).fetchone() == (True,):
            return True
    return False


def test_a_lost_connection_is_replaced_at_the_next_beat(postgres_url: str) -> None:
    process = Process(fresh_id(), "web", "here", 1, (), 0, utc_now())
    pulse, engine = Pulse.to(postgres_url), connect(postgres_url)
    pulse.beat(process, (), utc_now())
    with engine.connect() as other:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'handrail heartbeat'"
        other.execute(text(f"{end} AND datname = current_database()"))
    later = utc_now()
    for _ in range(2):
        try:
            pulse.beat(process, (), later)
        except Exception:  # noqa: BLE001, S112 - the first one may find out
            continue
    with engine.connect() as other:
        assert [seen.at for seen in seen_processes(other)] == [later]
    pulse.close()
    engine.dispose()


def test_heartbeat_on_a_silent_connection_fails_and_the_next_one_connects_anew(postgres_url: str) -> None:
    process = Process(fresh_id(), "worker", "here", 1, (), 0, utc_now())
    with wire(postgres_url) as through:
        pulse = Pulse.to(through.url, timeout=0.3)
        pulse.beat(process, (), utc_now())
        through.silent = True
        with pytest.raises(StoreUnavailable, match="the database does not answer"):
            pulse.beat(process, (), utc_now())
        through.silent = False
        pulse.beat(process, (), utc_now())
        pulse.close()
