"""`handrail web | worker | clock`: processes that share a PostgreSQL database and refuse SQLite."""

import subprocess
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from storage.database.database import create_database_engine
from storage.database.schema import HEAD_REVISION
from tests.databases import drop_if_server_outlives_tests
from tests.harness.cli import PROGRAM, CliFolder
from tests.harness.time_limits import promised_seconds
from tests.postgres import create_database, server_url
from tests.slow_cases import slow, slow_after_first

MAX_SHUTDOWN_SECONDS = 10.0
ROLE_OPTIONS = {"web": ("--port", "0"), "worker": (), "clock": ()}
READY_TEXTS = {
    "web": "Handrail is at http://127.0.0.1:",
    "worker": "worker takes jobs of advance, deliver, timer, input, 32 of each at once",
    "clock": "clock takes jobs of timer, 32 of each at once",
}


@pytest.fixture
def postgres_folder(tmp_path, postgres_url) -> CliFolder:
    """Return a folder whose commands use a migrated PostgreSQL database."""
    return CliFolder(tmp_path, {"DATABASE_URL": postgres_url})


@pytest.fixture
def empty_database_url() -> Iterator[str]:
    url = create_database(server_url())
    yield url
    drop_if_server_outlives_tests(url)


def read_revision(url: str) -> str:
    engine = create_database_engine(url)
    with engine.connect() as connection:
        revision: str = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    engine.dispose()
    return revision


@pytest.mark.parametrize("role", ROLE_OPTIONS)
def test_role_prints_what_it_does_and_stops_in_time(postgres_folder, role):
    with postgres_folder.start(role, *ROLE_OPTIONS[role]) as process:
        process.wait_for_output(READY_TEXTS[role])
        stop_started = time.monotonic()
        assert process.stop() == 0
        assert time.monotonic() - stop_started < promised_seconds(MAX_SHUTDOWN_SECONDS)


def test_smtp_without_a_listener_says_what_to_set(postgres_folder):
    refused = postgres_folder.run("smtp", SMTP_LISTEN="", LMTP_LISTEN="")
    assert refused.exit_code == 1
    assert "no channel listens on a port here: set SMTP_LISTEN or LMTP_LISTEN" in refused.err


@pytest.mark.parametrize("role", slow_after_first((*ROLE_OPTIONS, "smtp")))
def test_role_refuses_sqlite_and_suggests_up(folder, role):
    refused = folder.run(role, *ROLE_OPTIONS.get(role, ()))
    assert refused.exit_code == 1
    assert f"SQLite is for one process: `handrail {role}` cannot share it with others" in refused.err
    assert "`handrail up`" in refused.err
    assert not (folder.path / ".handrail" / "handrail.db").exists()


@pytest.mark.parametrize("role", slow_after_first((*ROLE_OPTIONS, "smtp")))
def test_role_refuses_a_database_that_is_not_migrated(folder, empty_database_url, role):
    refused = folder.run(role, *ROLE_OPTIONS.get(role, ()), DATABASE_URL=empty_database_url)
    assert refused.exit_code == 1
    assert f"the database is at revision none and needs {HEAD_REVISION}: run `handrail migrate`" in refused.err
    assert folder.run("migrate", "--json", DATABASE_URL=empty_database_url).json == {
        "before": None,
        "after": HEAD_REVISION,
    }


@pytest.mark.parametrize("command", slow_after_first(["up", *ROLE_OPTIONS, "smtp", "migrate"]))
def test_database_of_a_newer_version_is_refused_and_unchanged(postgres_folder, postgres_url, command):
    engine = create_database_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    refused = postgres_folder.run(command, *ROLE_OPTIONS.get(command, ()))
    assert refused.exit_code == 1
    assert "written by a newer Handrail (revision 9999" in refused.err
    assert read_revision(postgres_url) == "9999"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--queues", "advance,dream"), "unknown queue 'dream'; use one of: advance,"),
        pytest.param(("--queues", ""), "unknown queue ''", marks=slow),
        (("--concurrency", "0"), "--concurrency"),
        pytest.param(("--concurrency", "many"), "--concurrency", marks=slow),
    ],
)
def test_invalid_options_are_wrong_usage(postgres_folder, options, message):
    refused = postgres_folder.run("worker", *options)
    assert refused.exit_code == 2
    assert message in refused.err


def test_worker_takes_each_named_queue_once(postgres_folder):
    with postgres_folder.start("worker", "--queues", "deliver,timer,deliver", "--concurrency", "3") as process:
        process.wait_for_output("worker takes jobs of deliver, timer, 3 of each at once")
        assert process.stop() == 0


def test_migrating_twice_changes_nothing(folder, empty_database_url):
    first, second = (folder.run("migrate", DATABASE_URL=empty_database_url) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert f"at revision {HEAD_REVISION} (it had no schema revision)" in first.out + first.err
    assert f"at revision {HEAD_REVISION} (unchanged)" in second.out + second.err


def test_one_of_several_concurrent_migrations_does_the_work(folder, empty_database_url):
    environment = folder._variables({"DATABASE_URL": empty_database_url})
    command = [*PROGRAM, "migrate"]
    processes = [
        subprocess.Popen(command, cwd=folder.path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(4)
    ]
    outputs = [process.communicate(timeout=60)[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0], outputs
    assert sum("it had no schema revision" in output for output in outputs) == 1
    assert read_revision(empty_database_url) == HEAD_REVISION


def test_up_migrates_and_runs_on_postgresql(folder, empty_database_url):
    with folder.running_server(DATABASE_URL=empty_database_url) as server:
        result = server.folder.run("chat", "--once", "deploy v1.4.0 to production", DATABASE_URL=empty_database_url)
        card, _ = result.lines
        approved = server.folder.run("requests", "approve", card["code"], "--json")
        assert approved.json["status"] == "approved"
        assert server.process.stop() == 0


@pytest.mark.parametrize("command", slow_after_first(["up", *ROLE_OPTIONS, "smtp", "migrate"]))
def test_unreachable_database_is_reported_without_its_password(folder, command):
    url = "postgresql://bot:correct-horse-battery@127.0.0.1:1/handrail"
    refused = folder.run(command, *ROLE_OPTIONS.get(command, ()), DATABASE_URL=url)
    assert refused.exit_code == 1
    assert "the database does not answer: check that it is running and that DATABASE_URL is right" in refused.err
    assert "correct-horse-battery" not in refused.err + refused.out
    assert "Traceback" not in refused.err
