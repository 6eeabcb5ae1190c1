"""What the doctor finds in a database that several processes share, and that it only looks."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, make_url, text

from bot.database_setup import migrate_database
from bot.doctor.age import format_age
from bot.doctor.database import check_database
from bot.doctor.finding import Finding
from bot.doctor.postgres import check_postgres
from bot.doctor.processes import backlog_finding
from bot.jobs import advance_job, timer_job
from bot.settings import Settings
from storage.database import create_database_engine
from storage.jobs import QUEUES, Job, defer
from storage.processes import Process, record_heartbeat
from storage.schedule import Backlog, OldestThread
from storage.tables import ThreadRow
from storage.write_batch import as_transaction, execute_all
from tests.postgres import create_database, server_url

NOW = datetime.now(UTC)
TABLES = ("thread", "process", "procrastinate_jobs", "procrastinate_workers", "procrastinate_events", "alembic_version")


def examined(url: str) -> list[Finding]:
    return list(check_database(Settings.from_variables({"DATABASE_URL": url})))


def named(name: str, findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.name == name]


def data_of(finding: Finding) -> dict[str, object]:
    assert finding.data is not None
    return finding.data


def write(url: str, *works: Callable[[Connection], object]) -> None:
    engine = create_database_engine(url)
    with engine.begin() as connection:
        for work in works:
            work(connection)
    engine.dispose()


def sql(statement: str) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(text(statement))


def there(role: str, *queues: str, ago: float = 0) -> Callable[[Connection], object]:
    """A process that said so then."""
    process = Process(f"{role}-{ago}", role, "box", 7, queues, 4 if queues else 0, NOW)
    at = datetime.now(UTC) - timedelta(seconds=ago)
    return lambda connection: record_heartbeat(connection, process, at)


def unfinished(thread_id: str, *, ago: float) -> Callable[[Connection], object]:
    """A thread that has something to do, and was left alone for so long."""
    at = datetime.now(UTC) - timedelta(seconds=ago)
    row = {"id": thread_id, "agent": "deploy", "status": "running", "version": 1, "unfinished": True, "state": ""}
    return lambda connection: connection.execute(insert(ThreadRow).values(**row, created_at=at, updated_at=at))


def deferred(connection: Connection, *jobs: Job) -> None:
    as_transaction(lambda _, writes: defer(writes, jobs), execute_all)(connection)


def abandoned(connection: Connection) -> None:
    """A job whose worker took it, and has said nothing for a minute."""
    deferred(connection, advance_job("thr_left"))
    worker = connection.execute(text("SELECT worker_id FROM procrastinate_register_worker_v1()")).scalar_one()
    connection.execute(text("SELECT procrastinate_fetch_job_v2(ARRAY['advance'], :worker)"), {"worker": worker})
    connection.execute(text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"))


def test_a_database_without_processes_says_what_to_start(postgres_url):
    findings = examined(postgres_url)
    assert [one.state for one in named("database", findings)] == ["ok"]
    nobody, *unserved = named("process", findings) + named("queue", findings)
    assert (nobody.state, "handrail worker" in str(nobody.fix)) == ("problem", True)
    assert [one.state for one in unserved] == ["problem"] * len(QUEUES)
    assert [one.state for one in named("jobs", findings) + named("threads", findings)] == ["ok", "ok"]


def test_a_worker_and_a_clock_are_enough(postgres_url):
    write(postgres_url, there("worker", *QUEUES), there("clock", "timer"), there("web"))
    findings = examined(postgres_url)
    assert {one.state for one in findings} == {"ok"}
    clock, web, worker = named("process", findings)
    assert "clock on box, pid 7, takes timer, 4 at once; seen" in clock.message
    assert "takes no jobs" in web.message
    assert {"role": "worker", "queues": list(QUEUES), "concurrency": 4}.items() <= data_of(worker).items()
    assert [data_of(one)["processes"] for one in named("queue", findings)] == [1, 1, 2]


def test_web_and_clock_alone_leave_queues_that_nobody_serves(postgres_url):
    write(postgres_url, there("clock", "timer"), there("web"))
    findings = examined(postgres_url)
    assert {one.state for one in named("process", findings)} == {"ok"}
    advance, deliver, timer = named("queue", findings)
    assert [advance.state, deliver.state, timer.state] == ["problem", "problem", "ok"]
    assert "served by no process" in deliver.message
    assert "name deliver" in str(deliver.fix)


def test_a_process_that_fell_silent_is_a_warning_and_serves_nothing(postgres_url):
    write(postgres_url, there("worker", *QUEUES, ago=40), there("worker", "advance"))
    findings = examined(postgres_url)
    states = {data_of(one)["id"]: one.state for one in named("process", findings)}
    assert states == {"worker-40": "warning", "worker-0": "ok"}
    assert [one.state for one in named("queue", findings)] == ["ok", "problem", "problem"]


def test_when_all_workers_fell_silent_somebody_has_to_start_one(postgres_url):
    write(postgres_url, there("worker", *QUEUES, ago=40))
    assert [one.state for one in named("process", examined(postgres_url))] == ["warning", "problem"]


def test_jobs_are_counted_by_what_they_wait_for(postgres_url):
    jobs = [advance_job("thr_1"), advance_job("thr_2"), timer_job("thr_1", NOW + timedelta(hours=1))]
    write(postgres_url, abandoned, lambda connection: deferred(connection, *jobs), there("worker", *QUEUES))
    advance, deliver, timer = (data_of(one) for one in named("queue", examined(postgres_url)))
    assert (advance["waiting"], advance["doing"], advance["later"]) == (2, 1, 0)
    assert (deliver["waiting"], deliver["doing"], deliver["later"]) == (0, 0, 0)
    assert (timer["waiting"], timer["doing"], timer["later"]) == (0, 0, 1)


def test_a_job_whose_worker_is_gone_is_told_with_its_thread(postgres_url):
    write(postgres_url, abandoned)
    (left,) = named("jobs", examined(postgres_url))
    assert left.state == "warning"
    assert "advance of thr_left" in left.message
    (job,) = data_of(left)["stalled"]
    assert (job["queue"], job["thread_id"]) == ("advance", "thr_left")


def test_the_thread_that_waited_longest_is_named(postgres_url):
    write(postgres_url, unfinished("thr_new", ago=1), unfinished("thr_old", ago=1000), there("worker", *QUEUES))
    (found,) = named("threads", examined(postgres_url))
    assert found.state == "warning"
    assert "2 in progress; thr_old (running) had no event for 16 min" in found.message
    assert "threads events thr_old" in str(found.fix)


def test_a_thread_that_was_just_touched_is_all_right():
    found = backlog_finding(Backlog(3, OldestThread("thr_1", "running", NOW - timedelta(seconds=20))), NOW)
    assert (found.state, found.fix) == ("ok", None)


def test_looking_changes_nothing(postgres_url):
    write(postgres_url, abandoned, unfinished("thr_1", ago=3), there("worker", *QUEUES, ago=3))
    before = everything(postgres_url)
    examined(postgres_url)
    assert everything(postgres_url) == before


def everything(url: str) -> dict[str, list[object]]:
    engine = create_database_engine(url)
    with engine.connect() as connection:
        rows = {table: connection.execute(text(f"SELECT t::text, xmin::text FROM {table} t")) for table in TABLES}  # noqa: S608 - our own names
        found: dict[str, list[object]] = {table: sorted(map(tuple, result)) for table, result in rows.items()}
    engine.dispose()
    return found


@pytest.mark.parametrize("revision", [None, "0001"])
def test_a_database_that_was_not_migrated_says_so_and_nothing_else(revision):
    url = create_database(server_url())
    if revision is not None:
        migrate_database(url)
        write(url, sql("UPDATE alembic_version SET version_num = '0001'"))
    (found,) = examined(url)
    assert (found.state, f"at revision {revision or 'none'}" in found.message) == ("problem", True)
    assert "handrail migrate" in str(found.fix)


def test_a_database_of_a_newer_handrail_is_a_problem(postgres_url):
    write(postgres_url, sql("UPDATE alembic_version SET version_num = '9999'"))
    (found,) = examined(postgres_url)
    assert (found.state, "upgrade" in str(found.fix)) == ("problem", True)


def test_a_database_that_cannot_be_written_is_a_problem(postgres_url):
    name = make_url(postgres_url).database
    write(postgres_url, there("worker", *QUEUES), sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    (found,) = named("database", examined(postgres_url))
    assert (found.state, found.fix) == ("problem", "set DATABASE_URL to the primary")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Somebody listens there, and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as door:
        yield door.getsockname()[1]


def test_a_database_that_is_away_is_told_without_its_password():
    (found,) = examined("postgresql://alice:secret@127.0.0.1:1/handrail")
    assert (found.name, found.state) == ("database", "problem")
    assert "does not answer" in found.message
    assert "secret" not in found.model_dump_json()


def test_a_database_that_says_nothing_is_not_waited_for(silent_port):
    url = f"postgresql://alice:secret@127.0.0.1:{silent_port}/handrail"
    with pytest.raises(Exception, match=re.escape("did not answer within 0.2 s")):
        list(check_postgres(url, timeout_seconds=0.2))


@pytest.mark.parametrize(
    ("seconds", "told"), [(-3, "0 s"), (1.6, "2 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 d")]
)
def test_an_age_is_told_in_a_unit_one_can_picture(seconds, told):
    assert format_age(timedelta(seconds=seconds)) == told
