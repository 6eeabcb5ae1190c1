"""Transactions: all or nothing, one after the other, and clear words when the database will not."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from agents.errors import ConfigurationError, StoreUnavailable
from storage.database import Database, create_database_engine
from storage.schema import check_writable
from storage.sqlite import sqlite_path

PATIENCE = 20.0


def count(connection: Connection) -> int:
    return connection.execute(text("SELECT count(*) FROM inbox")).scalar_one()


def add(name: str):
    def work(connection: Connection) -> str:
        row = {"name": name, "at": "2026-01-01 00:00:00"}
        connection.execute(text("INSERT INTO inbox (channel, key, thread_id, at) VALUES ('c', :name, 't', :at)"), row)
        return name

    return work


def add_then_fail(connection: Connection) -> None:
    add("lost")(connection)
    raise LookupError("no")


async def test_what_a_function_writes_is_there_afterwards(database: Database) -> None:
    assert await database.transaction(add("one")) == "one"
    assert await database.transaction(count) == 1


async def test_a_function_that_raises_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(LookupError):
        await database.transaction(add_then_fail)
    assert await database.transaction(count) == 0


async def test_one_failure_among_many_that_share_a_commit_harms_nobody_else(database: Database) -> None:
    works = [add("a"), add_then_fail, add("b"), add("a"), add("c")]
    ends = await asyncio.gather(*(database.transaction(work) for work in works), return_exceptions=True)
    assert [ends[2], ends[4]] == ["b", "c"]
    assert isinstance(ends[1], LookupError)
    assert sorted(isinstance(end, StoreUnavailable) for end in (ends[0], ends[3])) == [False, True]
    assert await database.transaction(count) == 3


async def test_who_is_told_after_a_commit_is_told_even_when_the_caller_has_gone(database: Database) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    caller = asyncio.create_task(database.transaction(add("one"), told.put_nowait))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    async with asyncio.timeout(PATIENCE):
        assert await told.get() == "one"
    assert await database.transaction(count) == 1


async def test_a_listener_that_fails_is_told_to_its_own_caller_and_holds_up_nobody(database: Database) -> None:
    def fail(_: str) -> None:
        raise LookupError("a bug")

    heard: list[str] = []
    async with asyncio.timeout(PATIENCE):
        ends = await asyncio.gather(
            database.transaction(add("one"), fail),
            database.transaction(add("two"), heard.append),
            return_exceptions=True,
        )
    assert isinstance(ends[0], LookupError)
    assert (ends[1], heard) == ("two", ["two"])
    assert await database.transaction(count) == 2


async def test_nobody_is_told_of_what_was_rolled_back(database: Database) -> None:
    told: list[None] = []
    with pytest.raises(LookupError):
        await database.transaction(add_then_fail, told.append)
    assert told == []


async def test_a_second_process_on_the_same_file_is_refused_and_let_in_once_the_first_has_closed(
    sqlite_url: str,
) -> None:
    database = Database.open(sqlite_url)
    with pytest.raises(ConfigurationError, match="another Handrail process"):
        Database.open(sqlite_url)
    await database.close()
    await Database.open(sqlite_url).close()


@pytest.fixture
async def file(sqlite_url: str) -> AsyncIterator[Database]:
    opened = Database.open(sqlite_url)
    yield opened
    await opened.close()


async def test_a_file_locked_by_another_program_is_a_retryable_refusal_and_works_again_afterwards(
    file: Database, sqlite_url: str
) -> None:
    await file.transaction(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout=50"))
    other = sqlite3.connect(sqlite_path(sqlite_url), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked by another program"):
        await file.transaction(add("one"))
    other.execute("ROLLBACK")
    other.close()
    assert await file.transaction(add("one")) == "one"


@pytest.mark.parametrize("write", [add("two"), check_writable])
async def test_a_read_only_file_is_refused_with_the_fix_and_keeps_what_it_has(
    file: Database, sqlite_url: str, write
) -> None:
    await file.transaction(add("one"))
    await file.transaction(lambda connection: connection.exec_driver_sql("PRAGMA query_only=ON"))
    with pytest.raises(StoreUnavailable, match="is read-only: give this user the right to write"):
        await file.transaction(write)
    with closing(sqlite3.connect(sqlite_path(sqlite_url))) as other:
        assert other.execute("SELECT key FROM inbox").fetchall() == [("one",)]


def test_a_database_that_was_never_migrated_says_how_to_migrate(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="handrail migrate"):
        Database.open(f"sqlite:///{tmp_path / 'empty.db'}")


def test_a_file_that_is_no_database_is_refused_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("These are my notes. " * 100)
    with pytest.raises(StoreUnavailable, match="not a healthy SQLite database"):
        Database.open(f"sqlite:///{tmp_path / 'notes.db'}")


def test_a_database_of_a_newer_handrail_is_refused_and_left_alone(database_url: str) -> None:
    engine = create_database_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigurationError, match="newer Handrail"):
        Database.open(database_url)
    with pytest.raises(ConfigurationError, match="newer Handrail"):
        Database.open(database_url)  # the first refusal gave the lock back


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="must name a file"):
        sqlite_path(url)


async def test_a_file_that_is_in_use_is_refused_by_any_link_to_it(sqlite_url: str, tmp_path: Path) -> None:
    database = Database.open(sqlite_url)
    link = tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(sqlite_path(sqlite_url))
    with pytest.raises(ConfigurationError, match="another Handrail process is using"):
        Database.open(f"sqlite:///{link}")
    await database.close()
    await Database.open(f"sqlite:///{link}").close()


async def test_database_file_and_its_journals_are_for_their_owner_only(sqlite_url: str) -> None:
    path = sqlite_path(sqlite_url)
    path.chmod(0o644)
    database = Database.open(sqlite_url)
    await database.transaction(add("one"))
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.glob(f"{path.name}*")}
    assert set(modes.values()) == {0o600}
    assert f"{path.name}-wal" in modes
    await database.close()
