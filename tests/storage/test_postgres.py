"""PostgreSQL in trouble: a connection, a lock, a slot or the whole server is gone, and nothing is lost or doubled."""

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

from agents.errors import StoreUnavailable
from storage.connections import MAX_CONNECTIONS, ConnectionPool
from storage.database import Database, create_database_engine
from storage.errors import to_store_error
from storage.jobs.stats import list_stalled_jobs
from storage.postgres import conninfo
from storage.postgres_executor import MAX_QUEUED_FUNCTIONS, PostgresExecutor
from storage.schema import check_writable, migrate
from tests.fakes.postgres_proxy import postgres_proxy
from tests.postgres import PostgresServer, admin_engine, create_database, start_server
from tests.storage.test_database import add, count

PATIENCE = 20.0
IMPATIENCE = 0.3
SECRET = "correct-horse-battery"


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    opened = Database.open(postgres_url)
    yield opened
    await opened.close()


@asynccontextmanager
async def waiting(seconds: float, url: str) -> AsyncIterator[Database]:
    """A database whose pool waits for as long as this, and no longer."""
    opened = Database(url, is_multi_process=True)
    opened._executor = PostgresExecutor.for_url(url, seconds)
    yield opened
    await opened.close()


def pool_of(database: Database) -> PostgresExecutor:
    assert isinstance(database._executor, PostgresExecutor)
    return database._executor


def order(url: str, statement: str) -> None:
    """An operator's order, outside of every transaction."""
    engine = admin_engine(url)
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def end_all_back_ends(url: str) -> None:
    ours = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    order(url, f"SELECT pg_terminate_backend(pid, 5000) {ours}")


class FailingTransaction:
    """A function for a transaction that can be told what to meet, and counts how often it was run."""

    def __init__(self, name: str, *troubles: str) -> None:
        self.name, self.planned_failures, self.runs = name, list(troubles), 0

    def __call__(self, connection: Connection) -> str:
        self.runs += 1
        add(self.name)(connection)
        if self.planned_failures:
            connection.execute(text(self.planned_failures.pop(0)))
        return self.name


DIE = "SELECT pg_terminate_backend(pg_backend_pid())"


async def test_after_all_back_ends_were_terminated_the_next_runs_work_and_nothing_is_lost_or_doubled(
    database: Database, postgres_url: str
) -> None:
    for lap in range(3):
        await asyncio.gather(*(database.transaction(add(f"{lap}-{number}")) for number in range(20)))
        end_all_back_ends(postgres_url)
    assert await database.transaction(count) == 60


async def test_a_connection_lost_before_the_commit_is_replaced_once(database: Database) -> None:
    unlucky = FailingTransaction("one", DIE)
    assert await database.transaction(unlucky) == "one"
    assert unlucky.runs == 2
    assert await database.transaction(count) == 1


async def test_one_that_is_lost_again_is_a_refusal_in_our_words_and_leaves_nothing(database: Database) -> None:
    with pytest.raises(StoreUnavailable, match="the database does not answer"):
        await database.transaction(FailingTransaction("one", DIE, DIE))
    assert await database.transaction(count) == 0


async def test_a_server_that_is_away_is_told_meanwhile_and_used_again_once_it_is_back(
    own_server: PostgresServer,
) -> None:
    url = migrated(own_server)
    database = Database.open(url)
    await database.transaction(add("before"))
    own_server.stop()
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="the database does not answer: check that it runs"):
                await database.transaction(add("meanwhile"))
        with pytest.raises(StoreUnavailable, match="the database does not answer: check that it runs"):
            Database.open(url)
    finally:
        own_server.start()
    await database.transaction(add("after"))
    assert await database.transaction(count) == 2
    await database.close()


@asynccontextmanager
async def all_connections_busy(database: Database) -> AsyncIterator[list[asyncio.Task[str]]]:
    """Every connection holds a transaction that waits for one lock, until the end of the block."""
    engine = admin_engine(database.url)
    with engine.connect() as other:
        other.execute(text("SELECT pg_advisory_lock(1)"))
        waits = "SELECT pg_advisory_xact_lock(1)"
        works = [FailingTransaction(f"busy {number}", waits) for number in range(MAX_CONNECTIONS)]
        busy = [asyncio.create_task(database.transaction(work)) for work in works]
        async with asyncio.timeout(PATIENCE):
            while not all(work.runs for work in works):
                await database_breathes(other)
        yield busy
        other.execute(text("SELECT pg_advisory_unlock(1)"))
    engine.dispose()


async def database_breathes(other: Connection) -> None:
    other.execute(text("SELECT 1"))
    await asyncio.sleep(0)


async def test_with_all_connections_in_use_one_waits_for_a_while_and_then_is_told_so(postgres_url: str) -> None:
    async with waiting(IMPATIENCE, postgres_url) as database:
        pool = pool_of(database)
        pool.connections = ConnectionPool.for_url(postgres_url, PATIENCE)  # the busy ones themselves are patient
        async with all_connections_busy(database) as busy:
            with pytest.raises(StoreUnavailable, match="all connections to the database are in use"):
                await database.transaction(add("late"))
        assert len(await asyncio.gather(*busy)) == MAX_CONNECTIONS
        assert pool._in_progress == 0
        assert await database.transaction(count) == MAX_CONNECTIONS


async def test_a_line_that_is_too_long_turns_newcomers_away_and_serves_who_stood_in_it(postgres_url: str) -> None:
    async with waiting(PATIENCE, postgres_url) as database:
        async with all_connections_busy(database) as busy:
            line = [
                asyncio.create_task(database.transaction(add(f"in line {number}")))
                for number in range(MAX_QUEUED_FUNCTIONS)
            ]
            await asyncio.sleep(0)
            with pytest.raises(StoreUnavailable, match="too many operations wait for the database"):
                await database.transaction(add("one too many"))
        await asyncio.gather(*busy, *line)
        assert await database.transaction(count) == MAX_CONNECTIONS + MAX_QUEUED_FUNCTIONS


async def test_a_statement_that_takes_too_long_is_ended(postgres_url: str) -> None:
    async with waiting(IMPATIENCE, postgres_url) as database:
        with pytest.raises(StoreUnavailable, match="the database is too busy"):
            await database.transaction(FailingTransaction("slow", "SELECT pg_sleep(60)"))
        assert await database.transaction(count) == 0


async def test_a_lock_that_is_not_let_go_is_not_waited_for_for_ever(postgres_url: str) -> None:
    engine = admin_engine(postgres_url)
    async with waiting(IMPATIENCE, postgres_url) as database:
        with engine.connect() as other:
            other.execute(text("SELECT pg_advisory_lock(1)"))
            with pytest.raises(StoreUnavailable, match="the database is too busy"):
                await database.transaction(FailingTransaction("locked", "SELECT pg_advisory_xact_lock(1)"))
        assert await database.transaction(count) == 0
    engine.dispose()


async def test_of_two_in_a_deadlock_one_is_run_again_and_both_are_done(database: Database) -> None:
    holding: list[int] = []

    def work(connection: Connection, first: int, second: int) -> None:
        lock = text("SELECT pg_advisory_xact_lock(:name)")
        connection.execute(lock, {"name": first})
        holding.append(first)
        while len(set(holding)) < 2:
            connection.execute(text("SELECT pg_sleep(0.01)"))
        connection.execute(lock, {"name": second})
        add(f"{first}")(connection)

    await asyncio.gather(*(database.transaction(partial(work, first=a, second=b)) for a, b in ((1, 2), (2, 1))))
    assert len(holding) == 3
    assert await database.transaction(count) == 2


@pytest.mark.parametrize("write", [add("two"), check_writable])
async def test_a_read_only_database_is_refused_with_the_fix_and_may_be_read(postgres_url: str, write) -> None:
    order(postgres_url, f"ALTER DATABASE {make_url(postgres_url).database} SET default_transaction_read_only = on")
    database = Database.open(postgres_url)
    with pytest.raises(StoreUnavailable, match="read-only, perhaps a standby: set DATABASE_URL to the primary"):
        await database.transaction(write)
    assert await database.transaction(count) == 0
    await database.close()


async def test_a_transaction_goes_on_when_its_caller_is_gone_and_leaves_no_slot_behind(database: Database) -> None:
    async with all_connections_busy(database) as busy:
        for caller in busy:
            caller.cancel()
        ends = await asyncio.gather(*busy, return_exceptions=True)
        assert {type(end) for end in ends} == {asyncio.CancelledError}
        waiting = asyncio.create_task(database.transaction(count))
    async with asyncio.timeout(PATIENCE):
        await waiting
        while await database.transaction(count) != MAX_CONNECTIONS:
            pass
    assert (
        len(await asyncio.gather(*(database.transaction(count) for _ in range(2 * MAX_CONNECTIONS))))
        == 2 * MAX_CONNECTIONS
    )


async def test_closing_waits_for_what_is_under_way(postgres_url: str) -> None:
    database, checking = Database.open(postgres_url), Database.open(postgres_url)
    async with all_connections_busy(database) as busy:
        closing = asyncio.create_task(database.close())
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="closed"):
            await database.transaction(count)
    await asyncio.gather(closing, *busy)
    assert await checking.transaction(count) == MAX_CONNECTIONS
    await checking.close()


async def test_a_commit_of_which_nobody_knows_whether_it_was_kept_is_not_tried_again(postgres_url: str) -> None:
    with postgres_proxy(postgres_url) as wired:
        database = Database.open(wired.url)
        await database.transaction(count)
        wired.lose_commit_containing("INSERT INTO inbox")
        ambiguous = FailingTransaction("kept")
        with pytest.raises(StoreUnavailable, match="the database does not answer"):
            await database.transaction(ambiguous)
        assert wired.answer_lost.is_set()
        assert ambiguous.runs == 1
        assert await database.transaction(count) == 1
        await database.close()


async def test_a_connection_that_dies_in_the_commit_itself_is_not_tried_again_either(database: Database) -> None:
    await database.transaction(_dying_at_commit)
    ambiguous = FailingTransaction("fatal")
    with pytest.raises(StoreUnavailable, match="the database does not answer"):
        await database.transaction(ambiguous)
    assert ambiguous.runs == 1
    assert await database.transaction(count) == 0


@pytest.mark.parametrize("method", ["transaction", "read", "commit_batch"])
async def test_silent_connections_are_replaced(postgres_url: str, method: str) -> None:
    functions = {"transaction": count, "read": count, "commit_batch": lambda connection, _writes: count(connection)}
    with postgres_proxy(postgres_url) as through:
        async with waiting(IMPATIENCE, through.url) as database:
            await asyncio.gather(*(database.transaction(add(f"{number}")) for number in range(MAX_CONNECTIONS)))
            through.is_silent = True
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(StoreUnavailable, match="the database does not answer"):
                    await getattr(database, method)(functions[method])
            through.is_silent = False
            assert await getattr(database, method)(functions[method]) == MAX_CONNECTIONS


async def test_a_slow_statement_is_ended_by_the_server_before_its_connection_is_given_up(postgres_url: str) -> None:
    async with waiting(IMPATIENCE, postgres_url) as database:
        with pytest.raises(StoreUnavailable, match="too busy"):
            await database.transaction(lambda connection: connection.execute(text("SELECT pg_sleep(20)")))


DEFAULTS = [
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


@pytest.mark.parametrize(("setting", "value"), DEFAULTS)
async def test_the_databases_own_defaults_change_nothing(postgres_url: str, setting: str, value: str) -> None:
    order(postgres_url, f"ALTER DATABASE {make_url(postgres_url).database} SET {setting} = '{value}'")
    at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    spoken = text("SELECT CAST(:at AS timestamptz), CAST(:words AS text), current_setting('transaction_isolation')")
    database = Database.open(postgres_url)
    ask = {"at": at, "words": "Grüße, 東京 \\n"}
    found = await database.transaction(lambda connection: tuple(connection.execute(spoken, ask).one()))
    assert found == (at, ask["words"], "read committed")
    assert await list_stalled_jobs(postgres_url) == []
    await database.close()


async def test_options_of_the_url_are_kept_beside_the_settings_of_handrail(postgres_url: str) -> None:
    url = make_url(postgres_url).update_query_dict({"options": "-c search_path=public,pg_temp"})
    with psycopg.connect(conninfo(url.render_as_string(hide_password=False))) as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("public,pg_temp",)
        assert connection.execute("SHOW datestyle").fetchone() == ("ISO, MDY",)


async def test_the_second_host_of_a_url_is_used_when_the_first_is_away(own_server: PostgresServer) -> None:
    migrated_url = make_url(migrated(own_server))
    folder = migrated_url.query["host"]
    several = migrated_url.set(query={"host": ["127.0.0.1:1", f"{folder}:5432"]}).render_as_string(hide_password=False)
    database = Database.open(several)
    await database.transaction(add("one"))
    assert await database.transaction(count) == 1
    await database.close()
    with psycopg.connect(conninfo(several)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def _dying_at_commit(connection: Connection) -> None:
    """Whatever is written to the inbox as `fatal` ends its back end when it is committed."""
    connection.exec_driver_sql(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); RETURN NULL; END $$"
    )
    connection.exec_driver_sql(
        "CREATE CONSTRAINT TRIGGER dying AFTER INSERT ON inbox DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW WHEN (NEW.key = 'fatal') EXECUTE FUNCTION die()"
    )


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server of this module's own, which may be stopped; it wants a password of whoever calls himself guarded."""
    server = start_server()
    rules = Path(server.process.pgdata) / "pg_hba.conf"
    rules.write_text("local all guarded scram-sha-256\n" + rules.read_text())
    order(server.url, f"CREATE ROLE guarded LOGIN PASSWORD '{SECRET}'")
    order(server.url, "SELECT pg_reload_conf()")
    return server


def migrated(server: PostgresServer) -> str:
    url = create_database(server.url)
    engine = create_database_engine(url)
    migrate(engine)
    engine.dispose()
    return url


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"username": "guarded", "password": "wrong-" + SECRET}, "refuses the password: check DATABASE_URL"),
        ({"username": "guarded", "password": None}, "refuses the password: check DATABASE_URL"),
        ({"username": "nobody", "password": SECRET}, "does not know this user: check DATABASE_URL"),
        ({"database": "nowhere", "password": SECRET}, "there is no such database: create it, or check DATABASE_URL"),
        ({"host": "127.0.0.1", "port": 1, "password": SECRET, "query": {}}, "does not answer: check that it runs"),
        ({"query": {"sslmode": "never"}, "password": SECRET}, "DATABASE_URL has an invalid option"),
        ({"query": {"wishes": "many"}, "password": SECRET}, "DATABASE_URL has an invalid option"),
    ],
)
def test_a_database_that_lets_nobody_in_is_told_with_the_fix_and_without_its_secret(
    own_server: PostgresServer, changed, told
) -> None:
    url = make_url(own_server.url).set(**changed).render_as_string(hide_password=False)
    with pytest.raises(StoreUnavailable, match=told) as refused:
        Database.open(url)
    assert SECRET not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    ("said", "told"),
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
def test_what_postgresql_says_is_told_in_our_words(said: str, told: str) -> None:
    refusal = to_store_error(exc.OperationalError("SELECT secret", {"token": SECRET}, psycopg.OperationalError(said)))
    with pytest.raises(StoreUnavailable, match=told) as refused:
        raise refusal
    assert SECRET not in str(refused.value)
