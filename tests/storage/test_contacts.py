"""Contacts: opt-outs, unknown senders, and what metered channels have sent."""

from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from agents.core.values import Address
from storage.contacts import is_opted_out, list_opted_out, list_unknown_senders, opt_in, opt_out, record_unknown_sender
from storage.database.database import Database
from storage.sent_messages import (
    SentRecord,
    count_sent,
    delete_old_sent,
    find_last,
    has_sent,
    insert_sent,
    sum_units,
)

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
BOB, CAROL = Address("sms:+15550001002"), Address("sms:+15550001003")


async def test_opt_out_is_recorded_once_and_can_end(database: Database) -> None:
    assert await database.transaction(partial(opt_out, address=BOB, at=AT))
    assert not await database.transaction(partial(opt_out, address=BOB, at=AT + timedelta(hours=1)))
    assert [(one.address, one.at) for one in await database.read(list_opted_out)] == [(BOB, AT)]
    assert [await database.read(partial(is_opted_out, address=one)) for one in (BOB, CAROL)] == [True, False]
    await database.transaction(partial(opt_in, address=BOB))
    assert await database.read(list_opted_out) == []


async def test_messages_of_an_unknown_sender_are_counted(database: Database) -> None:
    for age in (60, 30, 0):
        at = AT - timedelta(seconds=age)
        await database.transaction(partial(record_unknown_sender, address=BOB, at=at))
    await database.transaction(partial(record_unknown_sender, address=CAROL, at=AT - timedelta(hours=1)))
    bob, carol = await database.read(list_unknown_senders)
    assert (bob.count, bob.first_seen_at, bob.last_seen_at) == (3, AT - timedelta(seconds=60), AT)
    assert (carol.address, carol.count) == (CAROL, 1)


async def test_sent_messages_are_counted_per_address_and_channel(database: Database) -> None:
    records = (
        SentRecord("thr_1:card", "sms", BOB, AT - timedelta(days=2), 2, "req_1"),
        SentRecord("thr_1:notice", "sms", BOB, AT - timedelta(minutes=1), 3),
        SentRecord("thr_2:card", "sms", CAROL, AT, 1, "req_2"),
        SentRecord("thr_3:card", "fax", CAROL, AT, 9, "req_3"),
    )

    def insert(connection: Connection) -> None:
        for record in (*records, records[1]):  # one is recorded twice, as after a crash
            insert_sent(connection, record)

    await database.transaction(insert)
    read, yesterday = database.read, AT - timedelta(days=1)
    assert await read(partial(count_sent, address=BOB, since=yesterday)) == 1
    assert await read(partial(sum_units, channel="sms", since=yesterday)) == 4
    assert await read(partial(find_last, address=BOB)) == records[1]
    known = [("req_1", "thr_9"), ("req_2", "thr_1"), (None, "thr_1"), (None, "thr_2")]
    found = [await read(partial(has_sent, address=BOB, thread_id=thread, request_id=one)) for one, thread in known]
    assert found == [True, False, True, False]
    await database.transaction(partial(delete_old_sent, before=yesterday))
    assert await read(partial(count_sent, address=BOB, since=AT - timedelta(days=9))) == 1
