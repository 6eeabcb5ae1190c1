"""Inbox, outbox and requests: every key is used once."""

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
    await database.commit_batch(lambda _, w: inbox.record_claim(w, CLAIM, "thr_1", START_TIME, "the reply"))
    for name in CLAIM.keys:
        previous = await database.transaction(
            lambda c, n=name: inbox.find_duplicate(c, inbox.IdempotencyClaim("slack", ("other", n)))
        )
        assert previous == inbox.PreviousResult("thr_1", "abc", "the reply")
    assert (
        await database.transaction(lambda c: inbox.find_duplicate(c, inbox.IdempotencyClaim("email", ("event:1",))))
        is None
    )
    assert (
        await database.transaction(lambda c: inbox.find_duplicate(c, inbox.IdempotencyClaim("slack", ("event:2",))))
        is None
    )


async def test_message_stays_in_the_outbox_until_removed(database: Database, thread: str) -> None:
    effects = [SendMessage(key=f"reply:{n}", to=Address("terminal:a"), message=Message(text=str(n))) for n in (1, 2)]
    await database.commit_batch(lambda _, w: outbox.enqueue(w, thread, effects, START_TIME, 2))
    assert [p.effect for p in await database.transaction(outbox.list_pending)] == effects
    await database.commit_batch(lambda _, w: outbox.remove(w, thread, ["reply:1", "reply:none"]))
    assert await database.transaction(outbox.list_pending) == [outbox.OutboxMessage(thread, effects[1])]


async def test_code_is_never_used_twice(database: Database, thread: str) -> None:
    await database.commit_batch(lambda _, w: insert_request(w, request(thread)))
    with pytest.raises(DuplicateCode):
        await database.commit_batch(lambda _, w: insert_request(w, request(thread, 2)))


async def test_request_is_found_by_id_and_by_code_in_any_case(database: Database, thread: str) -> None:
    opened = request(thread)
    await database.commit_batch(lambda _, w: insert_request(w, opened))
    for name in ("req_1", "ABCDE", "abcde"):
        assert await database.transaction(lambda c, n=name: load_request(c, n)) == opened
    with pytest.raises(RequestNotFound):
        await database.transaction(lambda c: load_request(c, "nope"))


async def test_request_is_settled_once(database: Database, thread: str) -> None:
    opened = request(thread)
    await database.commit_batch(lambda _, w: insert_request(w, opened))
    answered, expired = (opened.model_copy(update={"status": status}) for status in ("answered", "expired"))
    await database.commit_batch(lambda _, w: update_request(w, opened, answered))
    with pytest.raises(AlreadySettled):
        await database.commit_batch(lambda _, w: update_request(w, opened, expired))
    assert (await database.transaction(lambda c: load_request(c, "req_1"))).status == "answered"


async def test_requests_are_listed_by_status_and_thread(database: Database, thread: str) -> None:
    for number, code in enumerate(("AAAAA", "BBBBB", "CCCCC"), 1):
        await database.commit_batch(lambda _, w, n=number, k=code: insert_request(w, request(thread, n, k)))

    def list_ids(**filters):
        arguments = {"status": None, "thread_id": None, "before": None, "limit": 9} | filters
        return lambda c: [r.id for r in list_requests(c, **arguments)]

    assert await database.transaction(list_ids()) == ["req_3", "req_2", "req_1"]
    assert await database.transaction(list_ids(status="open", limit=1)) == ["req_3"]
    assert await database.transaction(list_ids(before=(START_TIME, "req_2"))) == ["req_1"]
    assert await database.transaction(list_ids(thread_id="thr_none")) == []


async def test_messages_of_one_time_keep_their_order(database: Database, thread: str) -> None:
    effects = [SendMessage(key=key, to=Address("terminal:a"), message=Message(text=key)) for key in ("z", "a")]
    for version, effect in enumerate(effects, 2):
        await database.commit_batch(lambda _, w, v=version, e=effect: outbox.enqueue(w, thread, [e], START_TIME, v))
    assert [message.effect for message in await database.transaction(outbox.list_pending)] == effects


async def test_updates_are_listed_before_new_messages(database: Database, thread: str) -> None:
    to, receipt = Address("terminal:a"), Receipt(ref="1", digest="d")
    reply = SendMessage(key="reply:2", to=to, message=Message(text="reply"))
    update = SendMessage(key="settle:1", to=to, message=Message(text="settled"), replaces=receipt)
    await database.commit_batch(lambda _, w: outbox.enqueue(w, thread, [reply], START_TIME, 2))
    await database.commit_batch(lambda _, w: outbox.enqueue(w, thread, [update], START_TIME, 3))
    pending = await database.transaction(lambda connection: outbox.list_pending_for(connection, thread, to))
    assert [message.effect for message in pending] == [update, reply]
