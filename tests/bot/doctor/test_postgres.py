"""Tests of the doctor's checks of a PostgreSQL database; they change nothing in it."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, make_url, text

from bot.config.database import migrate_database
from bot.config.settings import Settings
from bot.doctor.database import check_database, check_postgres
from bot.doctor.processes import backlog_finding, format_age
from bot.execution.queue.jobs import advance_job, timer_job
from channels.abilities import Finding
from storage.database.database import create_database_engine
from storage.database.postgres_batch import execute_in_order
from storage.database.tables import ThreadRow
from storage.database.transactions import as_transaction
from storage.jobs import QUEUES, Job, defer
from storage.processes import Process, record_heartbeat
from storage.schedule import Backlog, OldestThread
from tests.postgres import create_database, server_url

Change = Callable[[Connection], object]
NOW = datetime.now(UTC)
TABLES = ("thread", "process", "procrastinate_jobs", "procrastinate_workers", "procrastinate_events", "alembic_version")


def check_url(url: str) -> list[Finding]:
    return list(check_database(Settings.from_variables({"DATABASE_URL": url}), agent_names=("deploy",)))


def select_findings(name: str, findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.name == name]


def get_data(finding: Finding) -> dict[str, object]:
    assert finding.data is not None
    return finding.data


def apply_changes(url: str, *changes: Change) -> None:
    engine = create_database_engine(url)
    with engine.begin() as connection:
        for change in changes:
            change(connection)
    engine.dispose()


def sql_change(statement: str) -> Change:
    return lambda connection: connection.execute(text(statement))


def heartbeat_change(role: str, *queues: str, seconds_ago: float = 0) -> Change:
    """Return a change that records the heartbeat of a process `seconds_ago` seconds in the past."""
    process = Process(
        id=f"{role}-{seconds_ago}",
        role=role,
        host="box",
        pid=7,
        queues=queues,
        concurrency=4 if queues else 0,
        started_at=NOW,
    )
    at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return lambda connection: record_heartbeat(connection, process, at)


def unfinished_thread_change(thread_id: str, *, seconds_ago: float) -> Change:
    """Return a change that inserts a thread with work to do, whose last event was `seconds_ago` seconds in the past."""
    at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    row = {"id": thread_id, "agent": "deploy", "status": "running", "version": 1, "unfinished": True, "state": ""}
    return lambda connection: connection.execute(insert(ThreadRow).values(**row, created_at=at, updated_at=at))


def insert_jobs(connection: Connection, *jobs: Job) -> None:
    as_transaction(lambda _, writes: defer(writes, jobs), execute_in_order)(connection)


def insert_stalled_job(connection: Connection) -> None:
    """Insert a job whose worker fetched it and has sent no heartbeat for a minute."""
    insert_jobs(connection, advance_job("thr_left"))
    worker = connection.execute(text("SELECT worker_id FROM procrastinate_register_worker_v1()")).scalar_one()
    connection.execute(text("SELECT procrastinate_fetch_job_v2(ARRAY['advance'], :worker)"), {"worker": worker})
    connection.execute(text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"))


def test_database_without_processes_is_a_problem_with_a_fix(postgres_url):
    findings = check_url(postgres_url)
    assert [one.state for one in select_findings("database", findings)] == ["ok"]
    no_worker, *unserved = select_findings("process", findings) + select_findings("queue", findings)
    assert (no_worker.state, "handrail worker" in str(no_worker.fix)) == ("problem", True)
    assert [one.state for one in unserved] == ["problem"] * len(QUEUES)
    assert [one.state for one in select_findings("jobs", findings) + select_findings("threads", findings)] == [
        "ok",
        "ok",
    ]


def test_worker_clock_and_web_have_no_problem(postgres_url):
    apply_changes(
        postgres_url, heartbeat_change("worker", *QUEUES), heartbeat_change("clock", "timer"), heartbeat_change("web")
    )
    findings = check_url(postgres_url)
    assert {one.state for one in findings} == {"ok"}
    clock, web, worker = select_findings("process", findings)
    assert "clock on box, pid 7, takes jobs of timer, 4 of each at once; seen" in clock.message
    assert "takes no jobs" in web.message
    assert {"role": "worker", "queues": list(QUEUES), "concurrency": 4}.items() <= get_data(worker).items()
    assert [get_data(one)["processes"] for one in select_findings("queue", findings)] == [1, 1, 2, 1]


def test_web_and_clock_alone_leave_unserved_queues(postgres_url):
    apply_changes(postgres_url, heartbeat_change("clock", "timer"), heartbeat_change("web"))
    findings = check_url(postgres_url)
    assert {one.state for one in select_findings("process", findings)} == {"ok"}
    advance, deliver, timer, inputs = select_findings("queue", findings)
    assert [one.state for one in (advance, deliver, timer, inputs)] == ["problem", "problem", "ok", "problem"]
    assert "served by no process" in deliver.message
    assert "include deliver" in str(deliver.fix)


def test_silent_process_is_a_warning_and_serves_no_queue(postgres_url):
    apply_changes(
        postgres_url, heartbeat_change("worker", *QUEUES, seconds_ago=40), heartbeat_change("worker", "advance")
    )
    findings = check_url(postgres_url)
    states = {get_data(one)["id"]: one.state for one in select_findings("process", findings)}
    assert states == {"worker-40": "warning", "worker-0": "ok"}
    assert [one.state for one in select_findings("queue", findings)] == ["ok", "problem", "problem", "problem"]


def test_only_silent_workers_are_a_problem(postgres_url):
    apply_changes(postgres_url, heartbeat_change("worker", *QUEUES, seconds_ago=40))
    assert [one.state for one in select_findings("process", check_url(postgres_url))] == ["warning", "problem"]


def test_jobs_are_counted_by_state(postgres_url):
    jobs = [advance_job("thr_1"), advance_job("thr_2"), timer_job("thr_1", NOW + timedelta(hours=1))]
    apply_changes(
        postgres_url,
        insert_stalled_job,
        lambda connection: insert_jobs(connection, *jobs),
        heartbeat_change("worker", *QUEUES),
    )
    advance, deliver, timer, _ = (get_data(one) for one in select_findings("queue", check_url(postgres_url)))
    assert (advance["waiting"], advance["doing"], advance["later"]) == (2, 1, 0)
    assert (deliver["waiting"], deliver["doing"], deliver["later"]) == (0, 0, 0)
    assert (timer["waiting"], timer["doing"], timer["later"]) == (0, 0, 1)


def test_stalled_job_is_reported_with_its_thread(postgres_url):
    apply_changes(postgres_url, insert_stalled_job)
    (stalled,) = select_findings("jobs", check_url(postgres_url))
    assert stalled.state == "warning"
    assert "advance of thr_left" in stalled.message
    (job,) = get_data(stalled)["stalled"]
    assert (job["queue"], job["thread_id"]) == ("advance", "thr_left")


def test_names_the_thread_whose_last_event_is_oldest(postgres_url):
    apply_changes(
        postgres_url,
        unfinished_thread_change("thr_new", seconds_ago=1),
        unfinished_thread_change("thr_old", seconds_ago=1000),
        heartbeat_change("worker", *QUEUES),
    )
    (finding,) = select_findings("threads", check_url(postgres_url))
    assert finding.state == "warning"
    assert "threads in progress: 2; thr_old (running) had no event for 16 min" in finding.message
    assert "threads events thr_old" in str(finding.fix)


def test_recently_updated_thread_is_ok():
    finding = backlog_finding(Backlog(3, OldestThread("thr_1", "running", NOW - timedelta(seconds=20))), NOW)
    assert (finding.state, finding.fix) == ("ok", None)


def test_check_changes_nothing(postgres_url):
    apply_changes(
        postgres_url,
        insert_stalled_job,
        unfinished_thread_change("thr_1", seconds_ago=3),
        heartbeat_change("worker", *QUEUES, seconds_ago=3),
    )
    before = read_all_rows(postgres_url)
    check_url(postgres_url)
    assert read_all_rows(postgres_url) == before


def read_all_rows(url: str) -> dict[str, list[object]]:
    engine = create_database_engine(url)
    with engine.connect() as connection:
        rows = {table: connection.execute(text(f"SELECT t::text, xmin::text FROM {table} t")) for table in TABLES}  # noqa: S608 - constant names
        rows_by_table: dict[str, list[object]] = {table: sorted(map(tuple, result)) for table, result in rows.items()}
    engine.dispose()
    return rows_by_table


@pytest.mark.parametrize(("revision", "current"), [(None, "has no schema revision"), ("0001", "is at revision 0001")])
def test_unmigrated_database_is_the_only_finding(revision, current):
    url = create_database(server_url())
    if revision is not None:
        migrate_database(url)
        apply_changes(url, sql_change("UPDATE alembic_version SET version_num = '0001'"))
    (finding,) = check_url(url)
    assert (finding.state, f"{current}, but " in finding.message) == ("problem", True)
    assert "handrail migrate" in str(finding.fix)


def test_database_of_a_newer_handrail_is_a_problem(postgres_url):
    apply_changes(postgres_url, sql_change("UPDATE alembic_version SET version_num = '9999'"))
    (finding,) = check_url(postgres_url)
    assert (finding.state, "upgrade" in str(finding.fix)) == ("problem", True)


def test_read_only_database_is_a_problem(postgres_url):
    name = make_url(postgres_url).database
    apply_changes(
        postgres_url,
        heartbeat_change("worker", *QUEUES),
        sql_change(f"ALTER DATABASE {name} SET default_transaction_read_only = on"),
    )
    (finding,) = select_findings("database", check_url(postgres_url))
    assert (finding.state, finding.fix) == ("problem", "set DATABASE_URL to the primary")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Return the port of a server that accepts connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server_socket:
        yield server_socket.getsockname()[1]


def test_unreachable_database_is_reported_without_password():
    (finding,) = check_url("postgresql://alice:secret@127.0.0.1:1/handrail")
    assert (finding.name, finding.state) == ("database", "problem")
    assert "does not answer" in finding.message
    assert "secret" not in finding.model_dump_json()


def test_silent_database_times_out(silent_port):
    url = f"postgresql://alice:secret@127.0.0.1:{silent_port}/handrail"
    with pytest.raises(Exception, match=re.escape("did not answer within 0.2 s")):
        list(check_postgres(url, (), timeout_seconds=0.2))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-3, "0 s"), (1.6, "2 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_age_has_a_readable_unit(seconds, expected):
    assert format_age(timedelta(seconds=seconds)) == expected
