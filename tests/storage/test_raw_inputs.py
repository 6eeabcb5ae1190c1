"""Raw inputs: an attempt that lost its input changes nothing, and a limit key has one reply."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from storage.database.database import Database, create_database_engine
from storage.raw_inputs import (
    AttemptEnd,
    ClaimedInput,
    InputGroup,
    NewInput,
    claim_next,
    count_ended,
    count_recent,
    delete_old,
    end_reply,
    find_group,
    finish,
    list_replies,
    list_unprocessed,
    postpone,
    store,
    to_indexable,
)
from tests.databases import create_sqlite_database

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
GROUP = InputGroup("pager", "ward7")
NEW = NewInput("inp_1", "key1", GROUP, {"from": "ward7"}, AT, b"\x00\xff")
_KEPT_CONTENT = "SELECT content, metadata FROM raw_input WHERE id = 'kept'"
END = AttemptEnd("processed", "", AT)


async def claim(database: Database, group: InputGroup = GROUP) -> ClaimedInput:
    claimed = await database.transaction(partial(claim_next, group=group, now=AT))
    assert isinstance(claimed, ClaimedInput)
    return claimed


async def test_end_of_a_lost_attempt_changes_nothing(database: Database) -> None:
    await database.transaction(partial(store, new=NEW))
    assert [(await claim(database)).attempt for _ in range(2)] == [1, 2]
    reply = replace(END, reply="{}", reply_key="x")
    assert await database.transaction(lambda connection: finish(connection, "inp_1", 1, reply)) is False
    until = AT + timedelta(hours=1)
    await database.transaction(lambda connection: postpone(connection, "inp_1", 1, until, is_ended=True))
    assert await database.read(list_replies) == []
    assert (await claim(database)).attempt == 3
    assert await database.transaction(lambda connection: finish(connection, "inp_1", 3, reply)) is True
    assert await database.transaction(lambda connection: finish(connection, "inp_1", 3, END)) is False
    assert [one.input_id for one in await database.read(list_replies)] == ["inp_1"]
    assert await database.transaction(partial(claim_next, group=GROUP, now=AT)) is None


async def test_postponed_input_reports_when_it_is_due(database: Database) -> None:
    await database.transaction(partial(store, new=NEW))
    await claim(database)
    until = AT + timedelta(seconds=3)
    await database.transaction(lambda connection: postpone(connection, "inp_1", 1, until, is_ended=True))
    assert await database.transaction(partial(claim_next, group=GROUP, now=AT)) == until
    claimed = await database.transaction(partial(claim_next, group=GROUP, now=until))
    assert isinstance(claimed, ClaimedInput)
    assert (claimed.stored, claimed.attempt) == (NEW, 2)


async def test_concurrent_ends_with_one_limit_key_keep_one_reply(database: Database) -> None:
    groups = [InputGroup("pager", f"ward{number}") for number in range(8)]
    for number, group in enumerate(groups):
        new = replace(NEW, id=f"inp_{number}", key=f"key{number}", group=group)
        await database.transaction(partial(store, new=new))
        await claim(database, group)
    end = replace(END, reply="{}", reply_key="once")
    ends = (partial(finish, input_id=f"inp_{number}", attempt=1, end=end) for number in range(8))
    assert await asyncio.gather(*map(database.transaction, ends)) == [True] * 8
    (reply,) = await database.read(list_replies)
    await database.transaction(partial(end_reply, input_id=reply.input_id, state="sent"))
    assert await database.read(list_replies) == []


async def test_limit_key_has_as_many_replies_as_its_input_allows(database: Database) -> None:
    for number in range(4):
        new = replace(NEW, id=f"inp_{number}", key=f"key{number}")
        await database.transaction(partial(store, new=new))
        await claim(database)
        end = replace(END, reply="{}", reply_key="thrice", max_replies=3)
        await database.transaction(partial(finish, input_id=f"inp_{number}", attempt=1, end=end))
    assert [one.input_id for one in await database.read(list_replies)] == ["inp_0", "inp_1", "inp_2"]


async def test_inputs_that_ended_with_a_reason_are_counted(database: Database) -> None:
    for number, reason in enumerate(("a", "b", "a")):
        await database.transaction(partial(store, new=replace(NEW, id=f"inp_{number}", key=f"key{number}")))
        await claim(database)
        end = replace(END, reason=reason)
        await database.transaction(partial(finish, input_id=f"inp_{number}", attempt=1, end=end))
    since = AT - timedelta(seconds=1)
    counts = [await database.read(partial(count_ended, channel="pager", reason=one, since=since)) for one in "abc"]
    assert counts == [2, 1, 0]
    assert await database.read(partial(count_ended, channel="pager", reason="a", since=AT)) == 0


async def test_limit_keys_of_channels_are_separate(database: Database) -> None:
    for number, channel in enumerate(("pager", "fax")):
        group = InputGroup(channel, "ward7")
        await database.transaction(partial(store, new=replace(NEW, id=f"inp_{number}", group=group)))
        await claim(database, group)
        end = replace(END, reply="{}", reply_key="once")
        await database.transaction(partial(finish, input_id=f"inp_{number}", attempt=1, end=end))
    assert [one.channel for one in await database.read(list_replies)] == ["pager", "fax"]


async def test_inputs_of_the_last_hour_are_counted_per_group(database: Database) -> None:
    def store_all(connection: Connection) -> None:
        ages = {"a": 3600, "b": 3599, "c": 0, "d": 0, "e": -1}
        for name, age in ages.items():
            store(connection, replace(NEW, id=name, key=name, received_at=AT - timedelta(seconds=age)))
        store(connection, replace(NEW, id="f", key="f", group=InputGroup("pager", "ward8")))

    await database.transaction(store_all)
    newest = {name: replace(NEW, id=name, key=name) for name in ("c", "d")}
    counts = [await database.read(partial(count_recent, stored=stored)) for stored in newest.values()]
    assert [recent.count for recent in counts] == [2, 3]


async def test_wrong_codes_of_the_last_hour_are_counted(database: Database) -> None:
    def store_all(connection: Connection) -> None:
        for name, age, has_wrong_code in (("old", 3600, True), ("a", 60, True), ("b", 30, False), ("c", 0, False)):
            new = replace(NEW, id=name, key=name, received_at=AT - timedelta(seconds=age))
            store(connection, new)
            claim_next(connection, GROUP, AT)
            finish(connection, name, 1, replace(END, has_wrong_code=has_wrong_code))

    await database.transaction(store_all)
    recent = await database.read(partial(count_recent, stored=replace(NEW, id="c", key="c")))
    assert (recent.count, recent.wrong_codes) == (3, 1)


async def test_input_that_keeps_its_key_is_a_duplicate_for_ever(database: Database) -> None:
    def process_both(connection: Connection) -> None:
        for name, keeps_key in (("kept", True), ("deleted", False)):
            store(connection, replace(NEW, id=name, key=name, keeps_key=keeps_key))
            claim_next(connection, GROUP, AT)
            finish(connection, name, 1, END)
        delete_old(connection, processed_before=AT + timedelta(days=1), quarantined_before=AT)

    await database.transaction(process_both)
    repeated = [replace(NEW, id=f"again {name}", key=name) for name in ("kept", "deleted")]
    assert [await database.transaction(partial(store, new=new)) for new in repeated] == [False, True]
    content = await database.read(lambda connection: connection.execute(text(_KEPT_CONTENT)).one())
    assert tuple(content) == (b"", "{}")


async def test_only_inputs_without_progress_since_a_time_are_lost(database: Database) -> None:
    def store_all(connection: Connection) -> None:
        for name, age in {"new": 0, "old": 60, "late": 90}.items():
            at = AT - timedelta(seconds=age)
            store(connection, replace(NEW, id=name, key=name, group=InputGroup("pager", name), received_at=at))

    await database.transaction(store_all)
    await claim(database, InputGroup("pager", "late"))
    await database.transaction(lambda connection: postpone(connection, "late", 1, AT, is_ended=True))
    since = AT - timedelta(seconds=30)
    assert [name for name, _ in await database.read(list_unprocessed)] == ["late", "old", "new"]
    assert await database.read(partial(list_unprocessed, before=since)) == [("old", InputGroup("pager", "old"))]
    assert await database.read(partial(find_group, input_id="old")) == InputGroup("pager", "old")
    assert await database.read(partial(find_group, input_id="none")) is None


def test_names_that_no_index_takes_are_hashed() -> None:
    names = ["a" * 200, "a" * 201, "\udc80", "\0", "ä", "a b"]
    indexable = [to_indexable(name) for name in names]
    assert [name for name in names if name in indexable] == ["a" * 200, "a b"]
    assert len(set(indexable)) == len(names)
    assert all(len(name) <= 200 and name.isascii() and name.isprintable() for name in indexable)


OPERATIONS = st.one_of(
    st.tuples(st.just("store"), st.integers(0, 5)),
    st.tuples(st.just("claim"), st.integers(0, 3)),
    st.tuples(st.just("finish"), st.integers(0, 3)),
    st.tuples(st.just("postpone"), st.integers(0, 3)),
)
"""Stored inputs with their age, claims after so many seconds, and ends of one of the last attempts."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Yield an engine of one database; each example rolls its transaction back."""
    opened = create_database_engine(create_sqlite_database(tmp_path_factory.mktemp("inputs")))
    yield opened
    opened.dispose()


@given(st.lists(OPERATIONS, max_size=30))
def test_oldest_unprocessed_input_is_always_the_next(engine: Engine, operations: list[tuple[str, int]]) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        _check_order(connection, operations)
        transaction.rollback()


def _check_order(connection: Connection, operations: list[tuple[str, int]]) -> None:
    """Compare the inputs with a list of those that are unprocessed, as (time, id), and the times they are due."""
    unprocessed, due, attempts = list[tuple[datetime, str]](), dict[str, datetime](), list[tuple[str, int]]()
    for number, (name, value) in enumerate(operations):
        if name == "store":
            at = AT - timedelta(seconds=value)
            store(connection, replace(NEW, id=f"inp_{number:02}", key=str(number), received_at=at))
            unprocessed = sorted([*unprocessed, (at, f"inp_{number:02}")])
        elif name == "claim":
            now = AT + timedelta(seconds=value)
            claimed = claim_next(connection, GROUP, now)
            oldest = unprocessed[0][1] if unprocessed else None
            if oldest is None or due.get(oldest, now) > now:
                assert claimed == due.get(oldest or "")
                continue
            assert isinstance(claimed, ClaimedInput)
            known = [attempt for one, attempt in attempts if one == oldest]
            assert (claimed.stored.id, claimed.attempt) == (oldest, max(known, default=0) + 1)
            attempts.append((oldest, claimed.attempt))
            due.pop(oldest, None)
        elif value < len(attempts):
            input_id, attempt = attempts[-1 - value]
            is_stored = input_id in [one for _, one in unprocessed]
            is_current = is_stored and attempt == max(number for one, number in attempts if one == input_id)
            if name == "postpone":
                until = AT + timedelta(seconds=value)
                postpone(connection, input_id, attempt, until, is_ended=True)
                due |= {input_id: until} if is_current else {}
            else:
                assert finish(connection, input_id, attempt, END) is is_current
                unprocessed = [one for one in unprocessed if not (is_current and one[1] == input_id)]
