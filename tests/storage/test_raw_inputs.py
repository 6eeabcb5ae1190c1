"""Raw inputs: an attempt that lost its input changes nothing, and a limit key has one reply."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from storage.database.database import Database
from storage.raw_inputs import (
    AttemptEnd,
    ClaimedInput,
    InputGroup,
    NewInput,
    claim_next,
    count_recent,
    end_reply,
    find_group,
    finish,
    list_replies,
    list_unprocessed,
    postpone,
    store,
    to_indexable,
)

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
GROUP = InputGroup("pager", "ward7")
NEW = NewInput("inp_1", "key1", GROUP, {"from": "ward7"}, AT, b"\x00\xff")
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
    assert counts == [2, 3]


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
