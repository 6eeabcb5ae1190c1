"""What a function gathers is written in one go, all of it or nothing: on both databases, quickly or locking."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Connection, bindparam, delete, insert, select, text, update

from agents.errors import AlreadySettled, DuplicateCode, StoreUnavailable, VersionConflict
from storage.database import Database
from storage.tables import InboxRow
from storage.write_batch import WriteBatch
from tests.fakes.postgres_proxy import postgres_proxy
from tests.storage.test_postgres import end_all_back_ends

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
ROW = {"channel": "c", "thread_id": "t", "at": NOON, "fingerprint": None, "reply": None}
_inbox = InboxRow.__table__
ENTER = insert(_inbox)
REPLY = update(_inbox).where(_inbox.c.key == bindparam("name")).values(reply=bindparam("reply"))
FORGET = delete(_inbox).where(_inbox.c.key == bindparam("name"))

pytestmark = pytest.mark.parametrize("locking", [False, True], ids=["quick", "locking"])


def rows(*names: str) -> list[dict[str, object]]:
    return [ROW | {"key": name} for name in names]


def replies(connection: Connection) -> dict[str, str | None]:
    return {row.key: row.reply for row in connection.execute(text("SELECT key, reply FROM inbox ORDER BY key"))}


async def entered(database: Database, *names: str) -> None:
    await database.commit_batch(lambda _, writes: writes.add(ENTER, rows(*names)))


async def test_several_kinds_of_writes_are_made_together(database: Database, locking: bool) -> None:
    await entered(database, "old", "older")

    def work(connection: Connection, writes: WriteBatch) -> int:
        writes.add(FORGET, [{"name": "old"}, {"name": "nobody"}])
        writes.add(ENTER, rows("new", "newer"))
        return len(replies(connection))

    assert await database.commit_batch(work, for_update=locking) == 2, (
        "nothing is written before the function has returned"
    )
    assert await database.read(replies) == {"new": None, "newer": None, "older": None}


async def test_one_write_may_change_what_another_one_wrote(database: Database, locking: bool) -> None:
    def work(_connection: Connection, writes: WriteBatch) -> None:
        writes.add(ENTER, rows("one", "two"))
        writes.add(REPLY, [{"name": "one", "reply": "a"}])
        writes.add(REPLY, [{"name": "two", "reply": "b"}], conflict_error=AlreadySettled)

    await database.commit_batch(work, for_update=locking)
    assert await database.read(replies) == {"one": "a", "two": "b"}


@pytest.mark.parametrize("count", [0, 1, 2, 64, 65, 1000])
async def test_any_number_of_rows_is_written(database: Database, locking: bool, count: int) -> None:
    names = [f"{number:04}" for number in range(count)]
    await database.commit_batch(lambda _, writes: writes.add(ENTER, rows(*names)), for_update=locking)
    assert list(await database.read(replies)) == names


async def test_times_are_kept_as_instants_whatever_their_zone(database: Database, locking: bool) -> None:
    times = {"a": NOON, "b": NOON.astimezone(timezone(timedelta(hours=-7))), "c": NOON + timedelta(microseconds=7)}
    entering = [ROW | {"key": key, "at": at} for key, at in times.items()]
    await database.commit_batch(lambda _, writes: writes.add(ENTER, entering), for_update=locking)
    kept = await database.read(lambda connection: connection.execute(select(_inbox.c.key, _inbox.c.at)).all())
    assert {row.key: row.at for row in kept} == times


@pytest.mark.parametrize("refused", [VersionConflict, DuplicateCode])
async def test_a_taken_key_is_refused_as_its_write_says_and_nothing_is_kept(
    database: Database, locking: bool, refused: type[Exception]
) -> None:
    await entered(database, "taken")

    def work(_connection: Connection, writes: WriteBatch) -> None:
        writes.add(FORGET, [{"name": "nobody"}])
        writes.add(ENTER, rows("free", "taken"), conflict_error=refused)

    with pytest.raises(refused):
        await database.commit_batch(work, for_update=locking)
    assert await database.read(replies) == {"taken": None}


async def test_a_taken_key_nobody_reckoned_with_is_the_databases_own_refusal(database: Database, locking: bool) -> None:
    await entered(database, "taken")
    with pytest.raises(StoreUnavailable, match="refused"):
        await database.commit_batch(lambda _, writes: writes.add(ENTER, rows("free", "taken")), for_update=locking)
    assert await database.read(replies) == {"taken": None}


async def test_an_update_that_finds_no_row_is_refused_as_it_says_and_nothing_is_kept(
    database: Database, locking: bool
) -> None:
    def work(_connection: Connection, writes: WriteBatch) -> None:
        writes.add(FORGET, [{"name": "gone"}], conflict_error=VersionConflict)
        writes.add(REPLY, [{"name": "kept", "reply": "changed"}], conflict_error=AlreadySettled)

    await entered(database, "kept")
    with pytest.raises(VersionConflict):
        await database.commit_batch(work, for_update=locking)
    assert await database.read(replies) == {"kept": None}
    await entered(database, "gone")
    await database.commit_batch(work, for_update=locking)
    assert await database.read(replies) == {"kept": "changed"}


async def test_who_is_told_after_a_commit_is_told_of_no_other(database: Database, locking: bool) -> None:
    told: list[str] = []

    def work(_connection: Connection, writes: WriteBatch) -> str:
        writes.add(ENTER, rows("one"), conflict_error=VersionConflict)
        return "done"

    assert await database.commit_batch(work, told.append, for_update=locking) == "done"
    with pytest.raises(VersionConflict):
        await database.commit_batch(work, told.append, for_update=locking)
    assert told == ["done"]


async def test_back_ends_that_were_terminated_meanwhile_are_found_out_before_they_are_used(
    postgres_url: str, locking: bool
) -> None:
    database = Database.open(postgres_url)
    for lap in range(3):
        names = (f"{lap}-{number:02}" for number in range(20))
        writing = (database.commit_batch(lambda _, w, n=n: w.add(ENTER, rows(n)), for_update=locking) for n in names)
        await asyncio.gather(*writing)
        end_all_back_ends(postgres_url)
    assert len(await database.read(replies)) == 60
    await database.close()


async def test_a_commit_of_which_nobody_knows_whether_it_was_kept_is_not_tried_again(
    postgres_url: str, locking: bool
) -> None:
    runs: list[str] = []

    def work(_connection: Connection, writes: WriteBatch) -> None:
        runs.append("once")
        writes.add(ENTER, rows("kept"))

    with postgres_proxy(postgres_url) as wired:
        database = Database.open(wired.url)
        await database.read(replies)
        wired.lose_commit_containing("INSERT INTO inbox")
        with pytest.raises(StoreUnavailable, match="the database does not answer"):
            await database.commit_batch(work, for_update=locking)
        assert (runs, wired.answer_lost.is_set()) == (["once"], True)
        assert await database.read(replies) == {"kept": None}
        await database.close()
