"""Failures of PostgreSQL: connections, locks or the server fail, and no commit is lost or repeated."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, exc, make_url, text

from agents.core.errors import StoreUnavailable
from storage.database.database import Database, create_database_engine
from storage.database.errors import to_store_error
from storage.database.postgres import conninfo
from storage.database.postgres_executor import MAX_QUEUED_FUNCTIONS, PostgresExecutor
from storage.database.postgres_pool import MAX_CONNECTIONS, ConnectionPool
from storage.database.schema import check_writable, migrate
from storage.jobs.queue import list_stalled_jobs
from tests.fakes.postgres_proxy import postgres_proxy
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS
from tests.postgres import PostgresServer, admin_engine, create_database, start_server
from tests.slow_cases import slow_after_first
from tests.storage.database.test_database import count_rows, insert_row

SHORT_TIMEOUT_SECONDS = 1.0
SECRET = "correct-horse-battery"


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    opened = Database.open(postgres_url)
    yield opened
    await opened.close()


@asynccontextmanager
async def database_with_timeout(seconds: float, url: str) -> AsyncIterator[Database]:
    """Yield a database whose timeouts are this long."""
    opened = Database(url, is_multi_process=True)
    opened._executor = PostgresExecutor.for_url(url, seconds)
    yield opened
    await opened.close()


def executor_of(database: Database) -> PostgresExecutor:
    assert isinstance(database._executor, PostgresExecutor)
    return database._executor


def execute_as_admin(url: str, statement: str) -> None:
    """Execute a statement in autocommit mode."""
    engine = admin_engine(url)
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def terminate_all_backends(url: str) -> None:
    sessions = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    execute_as_admin(url, f"SELECT pg_terminate_backend(pid, 5000) {sessions}")


class CountedInsert:
    """Function that inserts a row, then executes the next failing statement, and counts its runs."""

    def __init__(self, name: str, *failing_statements: str) -> None:
        self.name, self.planned_failures, self.runs = name, list(failing_statements), 0

    def __call__(self, connection: Connection) -> str:
        self.runs += 1
        insert_row(self.name)(connection)
        if self.planned_failures:
            connection.execute(text(self.planned_failures.pop(0)))
        return self.name


TERMINATE_SELF = "SELECT pg_terminate_backend(pg_backend_pid())"


async def test_terminated_backends_lose_and_repeat_nothing(database: Database, postgres_url: str) -> None:
    for round_number in range(3):
        await asyncio.gather(*(database.transaction(insert_row(f"{round_number}-{number}")) for number in range(20)))
        terminate_all_backends(postgres_url)
    assert await database.transaction(count_rows) == 60


async def test_connection_lost_before_the_commit_is_replaced_once(database: Database) -> None:
    failing = CountedInsert("one", TERMINATE_SELF)
    assert await database.transaction(failing) == "one"
    assert failing.runs == 2
    assert await database.transaction(count_rows) == 1


async def test_connection_lost_twice_raises_store_unavailable(database: Database) -> None:
    with pytest.raises(StoreUnavailable, match="the database does not answer"):
        await database.transaction(CountedInsert("one", TERMINATE_SELF, TERMINATE_SELF))
    assert await database.transaction(count_rows) == 0


async def test_stopped_server_is_reported_and_used_again_later(
    separate_server: PostgresServer,
) -> None:
    url = create_migrated_database(separate_server)
    database = Database.open(url)
    await database.transaction(insert_row("before"))
    separate_server.stop()
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="the database does not answer: check that it is running"):
                await database.transaction(insert_row("meanwhile"))
        with pytest.raises(StoreUnavailable, match="the database does not answer: check that it is running"):
            Database.open(url)
    finally:
        separate_server.start()
    await database.transaction(insert_row("after"))
    assert await database.transaction(count_rows) == 2
    await database.close()


@asynccontextmanager
async def all_connections_busy(database: Database) -> AsyncIterator[list[asyncio.Task[str]]]:
    """Keep all connections busy: each transaction waits for a lock until the end of the block."""
    engine = admin_engine(database.url)
    with engine.connect() as other:
        other.execute(text("SELECT pg_advisory_lock(1)"))
        wait_for_lock = "SELECT pg_advisory_xact_lock(1)"
        functions = [CountedInsert(f"busy {number}", wait_for_lock) for number in range(MAX_CONNECTIONS)]
        busy = [asyncio.create_task(database.transaction(function)) for function in functions]
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while not all(function.runs for function in functions):
                await run_statement_and_yield(other)
        yield busy
        other.execute(text("SELECT pg_advisory_unlock(1)"))
    engine.dispose()


async def run_statement_and_yield(other: Connection) -> None:
    other.execute(text("SELECT 1"))
    await asyncio.sleep(0)


async def test_busy_pool_times_out(postgres_url: str) -> None:
    async with database_with_timeout(SHORT_TIMEOUT_SECONDS, postgres_url) as database:
        executor = executor_of(database)
        executor.connections = ConnectionPool.for_url(
            postgres_url, WAIT_TIMEOUT_SECONDS
        )  # the busy transactions must not time out
        async with all_connections_busy(database) as busy:
            with pytest.raises(StoreUnavailable, match="all connections to the database are in use"):
                await database.transaction(insert_row("late"))
        assert len(await asyncio.gather(*busy)) == MAX_CONNECTIONS
        assert executor._in_progress == 0
        assert await database.transaction(count_rows) == MAX_CONNECTIONS


async def test_full_queue_rejects_new_functions_and_runs_queued_ones(postgres_url: str) -> None:
    async with database_with_timeout(WAIT_TIMEOUT_SECONDS, postgres_url) as database:
        async with all_connections_busy(database) as busy:
            queued = [
                asyncio.create_task(database.transaction(insert_row(f"in line {number}")))
                for number in range(MAX_QUEUED_FUNCTIONS)
            ]
            await asyncio.sleep(0)
            with pytest.raises(StoreUnavailable, match="too many operations wait for the database"):
                await database.transaction(insert_row("rejected"))
        await asyncio.gather(*busy, *queued)
        assert await database.transaction(count_rows) == MAX_CONNECTIONS + MAX_QUEUED_FUNCTIONS


async def test_slow_statement_times_out(postgres_url: str) -> None:
    async with database_with_timeout(SHORT_TIMEOUT_SECONDS, postgres_url) as database:
        with pytest.raises(StoreUnavailable, match="the database is too busy"):
            await database.transaction(CountedInsert("slow", "SELECT pg_sleep(60)"))
        assert await database.transaction(count_rows) == 0


async def test_lock_wait_times_out(postgres_url: str) -> None:
    engine = admin_engine(postgres_url)
    async with database_with_timeout(SHORT_TIMEOUT_SECONDS, postgres_url) as database:
        with engine.connect() as other:
            other.execute(text("SELECT pg_advisory_lock(1)"))
            with pytest.raises(StoreUnavailable, match="the database is too busy"):
                await database.transaction(CountedInsert("locked", "SELECT pg_advisory_xact_lock(1)"))
        assert await database.transaction(count_rows) == 0
    engine.dispose()


async def test_deadlock_victim_is_run_again(database: Database) -> None:
    held_locks: list[int] = []

    def function(connection: Connection, first: int, second: int) -> None:
        lock = text("SELECT pg_advisory_xact_lock(:name)")
        connection.execute(lock, {"name": first})
        held_locks.append(first)
        while len(set(held_locks)) < 2:
            connection.execute(text("SELECT pg_sleep(0.01)"))
        connection.execute(lock, {"name": second})
        insert_row(f"{first}")(connection)

    await asyncio.gather(*(database.transaction(partial(function, first=a, second=b)) for a, b in ((1, 2), (2, 1))))
    assert len(held_locks) == 3
    assert await database.transaction(count_rows) == 2


@pytest.mark.parametrize("write", [insert_row("two"), check_writable])
async def test_read_only_database_allows_reads_only(postgres_url: str, write) -> None:
    execute_as_admin(
        postgres_url, f"ALTER DATABASE {make_url(postgres_url).database} SET default_transaction_read_only = on"
    )
    database = Database.open(postgres_url)
    with pytest.raises(StoreUnavailable, match="read-only, perhaps a standby: set DATABASE_URL to the primary"):
        await database.transaction(write)
    assert await database.transaction(count_rows) == 0
    await database.close()


async def test_transaction_continues_after_its_caller_was_cancelled(database: Database) -> None:
    async with all_connections_busy(database) as busy:
        for caller in busy:
            caller.cancel()
        results = await asyncio.gather(*busy, return_exceptions=True)
        assert {type(result) for result in results} == {asyncio.CancelledError}
        waiting = asyncio.create_task(database.transaction(count_rows))
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        await waiting
        while await database.transaction(count_rows) != MAX_CONNECTIONS:
            pass
    assert (
        len(await asyncio.gather(*(database.transaction(count_rows) for _ in range(2 * MAX_CONNECTIONS))))
        == 2 * MAX_CONNECTIONS
    )


async def test_close_waits_for_running_functions(postgres_url: str) -> None:
    database, other_database = Database.open(postgres_url), Database.open(postgres_url)
    async with all_connections_busy(database) as busy:
        closing = asyncio.create_task(database.close())
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="closed"):
            await database.transaction(count_rows)
    await asyncio.gather(closing, *busy)
    assert await other_database.transaction(count_rows) == MAX_CONNECTIONS
    await other_database.close()


async def test_commit_with_unknown_outcome_is_not_repeated(postgres_url: str) -> None:
    with postgres_proxy(postgres_url) as proxy:
        database = Database.open(proxy.url)
        await database.transaction(count_rows)
        proxy.lose_response_to_commit_containing("INSERT INTO inbox")
        transaction = CountedInsert("kept")
        with pytest.raises(StoreUnavailable, match="the database does not answer"):
            await database.transaction(transaction)
        assert proxy.response_lost.is_set()
        assert transaction.runs == 1
        assert await database.transaction(count_rows) == 1
        await database.close()


async def test_connection_lost_during_the_commit_is_not_repeated(database: Database) -> None:
    await database.transaction(_terminate_at_commit)
    transaction = CountedInsert("fatal")
    with pytest.raises(StoreUnavailable, match="the database does not answer"):
        await database.transaction(transaction)
    assert transaction.runs == 1
    assert await database.transaction(count_rows) == 0


@pytest.mark.parametrize("method", slow_after_first(["transaction", "read", "commit_batch"]))
async def test_silent_connections_are_replaced(postgres_url: str, method: str) -> None:
    functions = {
        "transaction": count_rows,
        "read": count_rows,
        "commit_batch": lambda connection, _writes: count_rows(connection),
    }
    with postgres_proxy(postgres_url) as proxy:
        async with database_with_timeout(2 * SHORT_TIMEOUT_SECONDS, proxy.url) as database:
            await asyncio.gather(*(database.transaction(insert_row(f"{number}")) for number in range(MAX_CONNECTIONS)))
            proxy.is_silent = True
            async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
                with pytest.raises(StoreUnavailable, match="the database does not answer"):
                    await getattr(database, method)(functions[method])
            proxy.is_silent = False
            assert await getattr(database, method)(functions[method]) == MAX_CONNECTIONS


async def test_server_ends_a_slow_statement_before_the_client_does(postgres_url: str) -> None:
    async with database_with_timeout(SHORT_TIMEOUT_SECONDS, postgres_url) as database:
        with pytest.raises(StoreUnavailable, match="too busy"):
            await database.transaction(lambda connection: connection.execute(text("SELECT pg_sleep(20)")))


DATABASE_DEFAULTS = [
    ("datestyle", "German, DMY"),
    ("datestyle", "SQL, MDY"),
    ("datestyle", "Postgres, DMY"),
    ("intervalstyle", "sql_standard"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_isolation", "repeatable read"),
    ("timezone", "Asia/Kathmandu"),
    ("bytea_output", "escape"),
    ("standard_conforming_strings", "off"),
    ("client_encoding", "LATIN1"),
    ("lc_messages", "C"),
]


@pytest.mark.parametrize(("setting", "value"), DATABASE_DEFAULTS)
async def test_defaults_of_the_database_have_no_effect(postgres_url: str, setting: str, value: str) -> None:
    execute_as_admin(postgres_url, f"ALTER DATABASE {make_url(postgres_url).database} SET {setting} = '{value}'")
    at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    query = text("SELECT CAST(:at AS timestamptz), CAST(:content AS text), current_setting('transaction_isolation')")
    database = Database.open(postgres_url)
    parameters = {"at": at, "content": "Grüße, 東京 \\n"}
    found = await database.transaction(lambda connection: tuple(connection.execute(query, parameters).one()))
    assert found == (at, parameters["content"], "read committed")
    assert await list_stalled_jobs(postgres_url) == []
    await database.close()


async def test_options_of_the_url_are_kept(postgres_url: str) -> None:
    url = make_url(postgres_url).update_query_dict({"options": "-c search_path=public,pg_temp"})
    with psycopg.connect(conninfo(url.render_as_string(hide_password=False))) as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("public,pg_temp",)
        assert connection.execute("SHOW datestyle").fetchone() == ("ISO, MDY",)


async def test_second_host_is_used_when_the_first_is_down(separate_server: PostgresServer) -> None:
    migrated_url = make_url(create_migrated_database(separate_server))
    folder = migrated_url.query["host"]
    several = migrated_url.set(query={"host": ["127.0.0.1:1", f"{folder}:5432"]}).render_as_string(hide_password=False)
    database = Database.open(several)
    await database.transaction(insert_row("one"))
    assert await database.transaction(count_rows) == 1
    await database.close()
    with psycopg.connect(conninfo(several)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def _terminate_at_commit(connection: Connection) -> None:
    """Create a trigger that terminates the backend at the commit of an inbox row with the key `fatal`."""
    connection.exec_driver_sql(
        "CREATE FUNCTION terminate_self() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); RETURN NULL; END $$"
    )
    connection.exec_driver_sql(
        "CREATE CONSTRAINT TRIGGER terminate_at_commit AFTER INSERT ON inbox DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW WHEN (NEW.key = 'fatal') EXECUTE FUNCTION terminate_self()"
    )


@pytest.fixture(scope="module")
def separate_server() -> Iterator[PostgresServer]:
    """Start a server for this module, which may be stopped. It requires a password for the role `guarded`."""
    server = start_server()
    rules = Path(server.handle.pgdata) / "pg_hba.conf"
    rules.write_text("local all guarded scram-sha-256\n" + rules.read_text())
    execute_as_admin(server.url, f"CREATE ROLE guarded LOGIN PASSWORD '{SECRET}'")
    execute_as_admin(server.url, "SELECT pg_reload_conf()")
    return server


def create_migrated_database(server: PostgresServer) -> str:
    url = create_database(server.url)
    engine = create_database_engine(url)
    migrate(engine)
    engine.dispose()
    return url


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"username": "guarded", "password": "wrong-" + SECRET}, "refuses the password: check DATABASE_URL"),
        ({"username": "guarded", "password": None}, "refuses the password: check DATABASE_URL"),
        ({"username": "nobody", "password": SECRET}, "does not know this user: check DATABASE_URL"),
        ({"database": "nowhere", "password": SECRET}, "there is no such database: create it, or check DATABASE_URL"),
        ({"host": "127.0.0.1", "port": 1, "password": SECRET, "query": {}}, "does not answer: check that it is"),
        ({"query": {"sslmode": "never"}, "password": SECRET}, "DATABASE_URL has an invalid option"),
        ({"query": {"unknown": "1"}, "password": SECRET}, "DATABASE_URL has an invalid option"),
    ],
)
def test_connection_error_has_a_hint_and_no_secret(separate_server: PostgresServer, changes, message) -> None:
    url = make_url(separate_server.url).set(**changes).render_as_string(hide_password=False)
    with pytest.raises(StoreUnavailable, match=message) as raised:
        Database.open(url)
    assert SECRET not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ("driver_message", "message"),
    [
        ("cannot execute INSERT in a read-only transaction", "set DATABASE_URL to the primary"),
        ("permission denied for table thread", "grant it the rights"),
        ("FATAL:  sorry, too many clients already", "raise max_connections"),
        ("could not extend file: No space left on device", "free some space"),
        ("failed to resolve host 'db.example': [Errno -2] Name or service not known", "does not answer"),
        ("FATAL:  the database system is starting up", "does not answer"),
        ("FATAL:  the database system is in recovery mode", "does not answer"),
        ("terminating connection due to administrator command", "does not answer"),
        ("connection timeout expired", "does not answer"),
        (
            "connection failed: FATAL:  unsupported startup parameter: options\nDETAIL: pooled",
            "refused: unsupported startup parameter: options; set DATABASE_URL to the database itself",
        ),
        ('prepared statement "_pg3_0" does not exist', "or to a pooler in session mode"),
        ("connection failed: ERROR:  no such user", "the pooler in front of it, refused: no such user$"),
        (
            "connection to server failed: FATAL:  no pg_hba.conf entry for host",
            "refused: no pg_hba.conf entry for host$",
        ),
        ("something new\nwith a second line of details", "the database refused: something new$"),
    ],
)
def test_postgres_message_is_translated(driver_message: str, message: str) -> None:
    store_error = to_store_error(
        exc.OperationalError("SELECT secret", {"token": SECRET}, psycopg.OperationalError(driver_message))
    )
    with pytest.raises(StoreUnavailable, match=message) as raised:
        raise store_error
    assert SECRET not in str(raised.value)
