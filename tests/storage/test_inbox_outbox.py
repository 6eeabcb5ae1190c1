"""Inbox, outbox and requests: every key is used once."""

from functools import partial

import pytest
from sqlalchemy import Connection

from agents.core.errors import AlreadySettled, DuplicateCode, RequestNotFound
from agents.core.messages import Message, Receipt
from agents.core.next_step import SendMessage
from agents.core.reducer import fold
from agents.core.requests import Request
from agents.core.state import ThreadState
from agents.core.values import Address, person_address
from storage import inbox, outbox
from storage.database.database import Database
from storage.database.transactions import WriteBatch
from storage.event_store import ThreadStore
from storage.requests import insert_request, list_requests, load_request, update_request
from tests.histories import POLICY, START_TIME
from tests.storage.test_event_store import opening_events

CLAIM = inbox.IdempotencyClaim("slack", ("event:1", "message:2"), fingerprint="abc")


@pytest.fixture
async def thread(database: Database) -> str:
    def write(_connection: Connection, writes: WriteBatch) -> str:
        after = fold(ThreadState(), opening_events())
        ThreadStore().append(writes, ThreadState(), opening_events(), after)
        return after.thread_id

    return await database.commit_batch(write)


def request(thread_id: str, number: int = 1, code: str = "ABCDE") -> Request:
    return Request(
        id=f"req_{number}",
        code=code,
        kind="question",
        purpose="question",
        thread_id=thread_id,
        agent="a",
        requester=person_address("alice"),
        question="Why?",
        digest="d",
        policy=POLICY.evaluate("ship", {"where": "production"}, defaults=None),
        opened_at=START_TIME,
    )


async def test_any_of_several_keys_makes_an_arrival_a_duplicate(database: Database) -> None:
    await database.commit_batch(lambda _, writes: inbox.record_claim(writes, CLAIM, "thr_1", START_TIME, "the reply"))
    for name in CLAIM.keys:
        previous = await database.transaction(
            lambda connection, name=name: inbox.find_duplicate(
                connection, inbox.IdempotencyClaim("slack", ("other", name))
            )
        )
        assert previous == inbox.PreviousResult("thr_1", "abc", "the reply")
    assert (
        await database.transaction(
            lambda connection: inbox.find_duplicate(connection, inbox.IdempotencyClaim("email", ("event:1",)))
        )
        is None
    )
    assert (
        await database.transaction(
            lambda connection: inbox.find_duplicate(connection, inbox.IdempotencyClaim("slack", ("event:2",)))
        )
        is None
    )


async def test_message_stays_in_the_outbox_until_removed(database: Database, thread: str) -> None:
    effects = [SendMessage(key=f"reply:{n}", to=Address("terminal:a"), message=Message(text=str(n))) for n in (1, 2)]
    await database.commit_batch(lambda _, writes: outbox.enqueue(writes, thread, effects, START_TIME, 2))
    assert [p.effect for p in await database.transaction(outbox.list_pending)] == effects
    await database.commit_batch(lambda _, writes: outbox.remove(writes, thread, ["reply:1", "reply:none"]))
    assert await database.transaction(outbox.list_pending) == [outbox.OutboxMessage(thread, effects[1], START_TIME)]


async def test_outbox_lists_the_messages_for_one_address(database: Database, thread: str) -> None:
    addresses = ("terminal:a", 'terminal:"quoted%_', "terminal:a.b")
    effects = [
        SendMessage(key=f"to {to}", to=Address(to), message=Message(text='"to":"terminal:a"')) for to in addresses
    ]
    await database.commit_batch(lambda _, writes: outbox.enqueue(writes, thread, effects, START_TIME, 2))
    for effect in effects:
        read = partial(outbox.list_pending_of_address, address=effect.to, limit=10)
        assert [found.effect for found in await database.read(read)] == [effect]


async def test_code_is_never_used_twice(database: Database, thread: str) -> None:
    await database.commit_batch(lambda _, writes: insert_request(writes, request(thread)))
    with pytest.raises(DuplicateCode):
        await database.commit_batch(lambda _, writes: insert_request(writes, request(thread, 2)))


async def test_request_is_found_by_id_and_by_code_in_any_case(database: Database, thread: str) -> None:
    opened = request(thread)
    await database.commit_batch(lambda _, writes: insert_request(writes, opened))
    for name in ("req_1", "ABCDE", "abcde"):
        assert await database.transaction(lambda connection, name=name: load_request(connection, name)) == opened
    with pytest.raises(RequestNotFound):
        await database.transaction(lambda connection: load_request(connection, "nope"))


async def test_request_is_settled_once(database: Database, thread: str) -> None:
    opened = request(thread)
    await database.commit_batch(lambda _, writes: insert_request(writes, opened))
    answered, expired = (opened.model_copy(update={"status": status}) for status in ("answered", "expired"))
    await database.commit_batch(lambda _, writes: update_request(writes, opened, answered))
    with pytest.raises(AlreadySettled):
        await database.commit_batch(lambda _, writes: update_request(writes, opened, expired))
    assert (await database.transaction(lambda connection: load_request(connection, "req_1"))).status == "answered"


async def test_requests_are_listed_by_status_and_thread(database: Database, thread: str) -> None:
    for number, code in enumerate(("AAAAA", "BBBBB", "CCCCC"), 1):
        await database.commit_batch(
            lambda _, writes, number=number, code=code: insert_request(writes, request(thread, number, code))
        )

    def list_ids(**filters):
        arguments = {"status": None, "thread_id": None, "before": None, "limit": 9} | filters
        return lambda connection: [r.id for r in list_requests(connection, **arguments)]

    assert await database.transaction(list_ids()) == ["req_3", "req_2", "req_1"]
    assert await database.transaction(list_ids(status="open", limit=1)) == ["req_3"]
    assert await database.transaction(list_ids(before=(START_TIME, "req_2"))) == ["req_1"]
    assert await database.transaction(list_ids(thread_id="thr_none")) == []


async def test_messages_of_one_time_keep_their_order(database: Database, thread: str) -> None:
    effects = [SendMessage(key=key, to=Address("terminal:a"), message=Message(text=key)) for key in ("z", "a")]
    for version, effect in enumerate(effects, 2):
        await database.commit_batch(
            lambda _, writes, version=version, effect=effect: outbox.enqueue(
                writes, thread, [effect], START_TIME, version
            )
        )
    assert [message.effect for message in await database.transaction(outbox.list_pending)] == effects


async def test_updates_are_listed_before_new_messages(database: Database, thread: str) -> None:
    to, receipt = Address("terminal:a"), Receipt(ref="1", digest="d")
    reply = SendMessage(key="reply:2", to=to, message=Message(text="reply"))
    update = SendMessage(key="settle:1", to=to, message=Message(text="settled"), replaces=receipt)
    await database.commit_batch(lambda _, writes: outbox.enqueue(writes, thread, [reply], START_TIME, 2))
    await database.commit_batch(lambda _, writes: outbox.enqueue(writes, thread, [update], START_TIME, 3))
    pending = await database.transaction(lambda connection: outbox.list_pending_of_thread(connection, thread, to))
    assert [message.effect for message in pending] == [update, reply]
