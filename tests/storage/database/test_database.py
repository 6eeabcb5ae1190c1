"""Transactions are atomic and serialized, and errors of the database have clear messages."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from agents.core.errors import ConfigurationError, StoreUnavailable
from storage.database.database import Database, create_database_engine
from storage.database.schema import check_writable
from storage.database.sqlite import sqlite_path
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS


def count_rows(connection: Connection) -> int:
    return connection.execute(text("SELECT count(*) FROM inbox")).scalar_one()


def insert_row(name: str):
    def function(connection: Connection) -> str:
        row = {"name": name, "at": "2026-01-01 00:00:00"}
        connection.execute(text("INSERT INTO inbox (channel, key, thread_id, at) VALUES ('c', :name, 't', :at)"), row)
        return name

    return function


def insert_then_fail(connection: Connection) -> None:
    insert_row("lost")(connection)
    raise LookupError("no")


async def test_transaction_is_committed_when_the_function_returns(database: Database) -> None:
    assert await database.transaction(insert_row("one")) == "one"
    assert await database.transaction(count_rows) == 1


async def test_transaction_is_rolled_back_when_the_function_raises(database: Database) -> None:
    with pytest.raises(LookupError):
        await database.transaction(insert_then_fail)
    assert await database.transaction(count_rows) == 0


async def test_one_failure_does_not_affect_others_of_the_same_commit(database: Database) -> None:
    functions = [insert_row("a"), insert_then_fail, insert_row("b"), insert_row("a"), insert_row("c")]
    results = await asyncio.gather(*(database.transaction(function) for function in functions), return_exceptions=True)
    assert [results[2], results[4]] == ["b", "c"]
    assert isinstance(results[1], LookupError)
    assert sorted(isinstance(result, StoreUnavailable) for result in (results[0], results[3])) == [False, True]
    assert await database.transaction(count_rows) == 3


async def test_on_commit_is_called_after_the_caller_was_cancelled(database: Database) -> None:
    committed: asyncio.Queue[str] = asyncio.Queue()
    caller = asyncio.create_task(database.transaction(insert_row("one"), committed.put_nowait))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        assert await committed.get() == "one"
    assert await database.transaction(count_rows) == 1


async def test_error_of_on_commit_goes_to_its_own_caller_only(database: Database) -> None:
    def fail(_: str) -> None:
        raise LookupError("a bug")

    committed: list[str] = []
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        results = await asyncio.gather(
            database.transaction(insert_row("one"), fail),
            database.transaction(insert_row("two"), committed.append),
            return_exceptions=True,
        )
    assert isinstance(results[0], LookupError)
    assert (results[1], committed) == ("two", ["two"])
    assert await database.transaction(count_rows) == 2


async def test_on_commit_is_not_called_after_a_rollback(database: Database) -> None:
    committed: list[None] = []
    with pytest.raises(LookupError):
        await database.transaction(insert_then_fail, committed.append)
    assert committed == []


async def test_second_process_is_rejected_until_the_first_closes(
    sqlite_url: str,
) -> None:
    database = Database.open(sqlite_url)
    with pytest.raises(ConfigurationError, match="another Handrail process"):
        Database.open(sqlite_url)
    await database.close()
    await Database.open(sqlite_url).close()


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    opened = Database.open(sqlite_url)
    yield opened
    await opened.close()


async def test_locked_file_is_a_retryable_error(sqlite_database: Database, sqlite_url: str) -> None:
    await sqlite_database.transaction(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout=50"))
    other = sqlite3.connect(sqlite_path(sqlite_url), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked by another program"):
        await sqlite_database.transaction(insert_row("one"))
    other.execute("ROLLBACK")
    other.close()
    assert await sqlite_database.transaction(insert_row("one")) == "one"


@pytest.mark.parametrize("write", [insert_row("two"), check_writable])
async def test_read_only_file_is_rejected_with_a_hint(sqlite_database: Database, sqlite_url: str, write) -> None:
    await sqlite_database.transaction(insert_row("one"))
    await sqlite_database.transaction(lambda connection: connection.exec_driver_sql("PRAGMA query_only=ON"))
    with pytest.raises(StoreUnavailable, match="is read-only: give this user the right to write"):
        await sqlite_database.transaction(write)
    with closing(sqlite3.connect(sqlite_path(sqlite_url))) as other:
        assert other.execute("SELECT key FROM inbox").fetchall() == [("one",)]


def test_unmigrated_database_is_rejected_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="handrail migrate"):
        Database.open(f"sqlite:///{tmp_path / 'empty.db'}")


def test_file_that_is_no_database_is_rejected_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("These are my notes. " * 100)
    with pytest.raises(StoreUnavailable, match="not a healthy SQLite database"):
        Database.open(f"sqlite:///{tmp_path / 'notes.db'}")


def test_newer_database_is_rejected_and_not_changed(database_url: str) -> None:
    engine = create_database_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigurationError, match="newer Handrail"):
        Database.open(database_url)
    with pytest.raises(ConfigurationError, match="newer Handrail"):
        Database.open(database_url)  # the first error released the lock


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_database_url_must_name_a_file(url: str) -> None:
    with pytest.raises(ConfigurationError, match="must name a file"):
        sqlite_path(url)


async def test_locked_file_is_rejected_by_any_link(sqlite_url: str, tmp_path: Path) -> None:
    database = Database.open(sqlite_url)
    link = tmp_path / "linked" / "link.db"
    link.parent.mkdir()
    link.symlink_to(sqlite_path(sqlite_url))
    with pytest.raises(ConfigurationError, match="another Handrail process is using"):
        Database.open(f"sqlite:///{link}")
    await database.close()
    await Database.open(f"sqlite:///{link}").close()


async def test_database_files_are_accessible_to_their_owner_only(sqlite_url: str) -> None:
    path = sqlite_path(sqlite_url)
    path.chmod(0o644)
    database = Database.open(sqlite_url)
    await database.transaction(insert_row("one"))
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.glob(f"{path.name}*")}
    assert set(modes.values()) == {0o600}
    assert f"{path.name}-wal" in modes
    await database.close()
