"""Writes of a batch are committed together or not at all, on both databases and by both commit methods.

`transaction` (with `for_update`) keeps the rows that the function reads for update locked until the commit; `batch`
locks none.
"""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Connection, select, text

from agents.core.errors import AlreadySettled, DuplicateCode, StoreUnavailable, VersionConflict
from storage.database.database import Database
from storage.database.tables import DeleteRow, InboxRow, InsertRow, UpdateRow
from storage.database.transactions import WriteBatch
from storage.schedule import blocked_until
from tests.fakes.postgres_proxy import postgres_proxy
from tests.slow_cases import slow_unless
from tests.storage.database.test_postgres import terminate_all_backends

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
ROW = {"channel": "c", "thread_id": "t", "at": NOON, "fingerprint": None, "reply": None}
_inbox = InboxRow.__table__
INSERT = InsertRow("inbox", ("channel", "key", "thread_id", "at", "fingerprint", "reply"))
UPDATE_REPLY = UpdateRow("inbox", "reply = {reply}", "key = {name}")
INSERT_PAUSE = InsertRow("pause", ("name", "until"))
UPDATE_PROCESS = UpdateRow("process", "role = {role}", "id = {id}")
DELETE = DeleteRow("inbox", "key = {name}")

pytestmark = pytest.mark.parametrize("for_update", [False, True], ids=["batch", "transaction"])


def rows(*names: str) -> list[dict[str, object]]:
    return [ROW | {"key": name} for name in names]


def replies(connection: Connection) -> dict[str, str | None]:
    return {row.key: row.reply for row in connection.execute(text("SELECT key, reply FROM inbox ORDER BY key"))}


async def insert_rows(database: Database, *names: str) -> None:
    await database.commit_batch(lambda _, writes: writes.add(INSERT, rows(*names)))


async def test_different_writes_are_committed_together(database: Database, for_update: bool) -> None:
    await insert_rows(database, "old", "older")

    def function(connection: Connection, writes: WriteBatch) -> int:
        writes.add(DELETE, [{"name": "old"}, {"name": "missing"}])
        writes.add(INSERT, rows("new", "newer"))
        return len(replies(connection))

    assert await database.commit_batch(function, for_update=for_update) == 2, (
        "nothing is written before the function has returned"
    )
    assert await database.read(replies) == {"new": None, "newer": None, "older": None}


async def test_write_may_change_a_row_of_another_write(database: Database, for_update: bool) -> None:
    def function(_connection: Connection, writes: WriteBatch) -> None:
        writes.add(INSERT, rows("one", "two"))
        writes.add(UPDATE_REPLY, [{"name": "one", "reply": "a"}])
        writes.add(UPDATE_REPLY, [{"name": "two", "reply": "b"}], conflict_error=AlreadySettled)

    await database.commit_batch(function, for_update=for_update)
    assert await database.read(replies) == {"one": "a", "two": "b"}


@pytest.mark.parametrize("count", slow_unless(lambda count: count in (0, 2, 65), [0, 1, 2, 64, 65, 1000]))
async def test_any_number_of_rows_is_written(database: Database, for_update: bool, count: int) -> None:
    names = [f"{number:04}" for number in range(count)]
    await database.commit_batch(lambda _, writes: writes.add(INSERT, rows(*names)), for_update=for_update)
    assert list(await database.read(replies)) == names


async def test_times_of_any_zone_are_stored_as_instants(database: Database, for_update: bool) -> None:
    times = {"a": NOON, "b": NOON.astimezone(timezone(timedelta(hours=-7))), "c": NOON + timedelta(microseconds=7)}
    rows_to_insert = [ROW | {"key": key, "at": at} for key, at in times.items()]
    await database.commit_batch(lambda _, writes: writes.add(INSERT, rows_to_insert), for_update=for_update)
    stored = await database.read(lambda connection: connection.execute(select(_inbox.c.key, _inbox.c.at)).all())
    assert {row.key: row.at for row in stored} == times


@pytest.mark.parametrize("conflict_error", [VersionConflict, DuplicateCode])
async def test_taken_key_raises_the_conflict_error_and_rolls_back(
    database: Database, for_update: bool, conflict_error: type[Exception]
) -> None:
    await insert_rows(database, "taken")

    def function(_connection: Connection, writes: WriteBatch) -> None:
        writes.add(DELETE, [{"name": "missing"}])
        writes.add(INSERT, rows("free", "taken"), conflict_error=conflict_error)

    with pytest.raises(conflict_error):
        await database.commit_batch(function, for_update=for_update)
    assert await database.read(replies) == {"taken": None}


async def test_taken_key_without_a_conflict_error_is_a_database_error(database: Database, for_update: bool) -> None:
    await insert_rows(database, "taken")
    with pytest.raises(StoreUnavailable, match="refused"):
        await database.commit_batch(lambda _, writes: writes.add(INSERT, rows("free", "taken")), for_update=for_update)
    assert await database.read(replies) == {"taken": None}


async def test_update_without_a_row_raises_and_rolls_back(database: Database, for_update: bool) -> None:
    def function(_connection: Connection, writes: WriteBatch) -> None:
        writes.add(DELETE, [{"name": "gone"}], conflict_error=VersionConflict)
        writes.add(UPDATE_REPLY, [{"name": "kept", "reply": "changed"}], conflict_error=AlreadySettled)

    await insert_rows(database, "kept")
    with pytest.raises(VersionConflict):
        await database.commit_batch(function, for_update=for_update)
    assert await database.read(replies) == {"kept": None}
    await insert_rows(database, "gone")
    await database.commit_batch(function, for_update=for_update)
    assert await database.read(replies) == {"kept": "changed"}


async def test_first_lost_race_decides_the_error_and_nothing_is_written(database: Database, for_update: bool) -> None:
    def function(_connection: Connection, writes: WriteBatch) -> None:
        writes.add(INSERT_PAUSE, [{"name": "model", "until": NOON}])
        writes.add(UPDATE_REPLY, [{"name": name, "reply": "changed"} for name in ("kept", "gone")], AlreadySettled)
        writes.add(UPDATE_PROCESS, [{"id": "missing", "role": "web"}], conflict_error=VersionConflict)

    await insert_rows(database, "kept")
    with pytest.raises(AlreadySettled):
        await database.commit_batch(function, for_update=for_update)
    assert await database.read(replies) == {"kept": None}
    assert await database.read(lambda connection: blocked_until(connection, "model")) is None


async def test_on_commit_is_called_only_after_a_commit(database: Database, for_update: bool) -> None:
    committed: list[str] = []

    def function(_connection: Connection, writes: WriteBatch) -> str:
        writes.add(INSERT, rows("one"), conflict_error=VersionConflict)
        return "done"

    assert await database.commit_batch(function, committed.append, for_update=for_update) == "done"
    with pytest.raises(VersionConflict):
        await database.commit_batch(function, committed.append, for_update=for_update)
    assert committed == ["done"]


async def test_terminated_connections_are_detected_before_use(postgres_url: str, for_update: bool) -> None:
    database = Database.open(postgres_url)
    for round_number in range(3):
        names = (f"{round_number}-{number:02}" for number in range(20))
        commits = (
            database.commit_batch(lambda _, writes, number=n: writes.add(INSERT, rows(number)), for_update=for_update)
            for n in names
        )
        await asyncio.gather(*commits)
        terminate_all_backends(postgres_url)
    assert len(await database.read(replies)) == 60
    await database.close()


async def test_commit_with_unknown_outcome_is_not_repeated(postgres_url: str, for_update: bool) -> None:
    runs: list[str] = []

    def function(_connection: Connection, writes: WriteBatch) -> None:
        runs.append("once")
        writes.add(INSERT, rows("kept"))

    with postgres_proxy(postgres_url) as proxy:
        database = Database.open(proxy.url)
        await database.read(replies)
        proxy.lose_response_to_commit_containing("INSERT INTO inbox")
        with pytest.raises(StoreUnavailable, match="the database does not answer"):
            await database.commit_batch(function, for_update=for_update)
        assert (runs, proxy.response_lost.is_set()) == (["once"], True)
        assert await database.read(replies) == {"kept": None}
        await database.close()
