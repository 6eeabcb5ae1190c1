"""Inbox, outbox and requests: each thing once."""

import pytest
from sqlalchemy import Connection

from agents.addresses import Address, person_address
from agents.effects import SendMessage
from agents.errors import AlreadySettled, DuplicateCode, RequestNotFound
from agents.messages import Message, Receipt
from agents.reducer import fold
from agents.requests import Request
from agents.state import ThreadState
from storage import inbox, outbox
from storage.database import Database
from storage.event_store import ThreadStore
from storage.requests import insert_request, list_requests, load_request, update_request
from storage.write_batch import WriteBatch
from tests.histories import POLICY, START
from tests.storage.test_event_store import opening

CLAIM = inbox.IdempotencyClaim("slack", ("event:1", "message:2"), fingerprint="abc")


@pytest.fixture
async def thread(database: Database) -> str:
    def work(_connection: Connection, writes: WriteBatch) -> str:
        after = fold(ThreadState(), opening())
        ThreadStore().append(writes, ThreadState(), opening(), after)
        return after.thread_id

    return await database.commit_batch(work)


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
        opened_at=START,
    )


async def test_any_of_several_names_makes_an_arrival_a_duplicate(database: Database) -> None:
    await database.commit_batch(lambda _, w: inbox.record_claim(w, CLAIM, "thr_1", START, "the reply"))
    for name in CLAIM.keys:
        earlier = await database.transaction(
            lambda c, n=name: inbox.find_duplicate(c, inbox.IdempotencyClaim("slack", ("other", n)))
        )
        assert earlier == inbox.PreviousResult("thr_1", "abc", "the reply")
    assert (
        await database.transaction(lambda c: inbox.find_duplicate(c, inbox.IdempotencyClaim("email", ("event:1",))))
        is None
    )
    assert (
        await database.transaction(lambda c: inbox.find_duplicate(c, inbox.IdempotencyClaim("slack", ("event:2",))))
        is None
    )


async def test_a_message_waits_in_the_outbox_until_it_is_dropped(database: Database, thread: str) -> None:
    effects = [SendMessage(key=f"reply:{n}", to=Address("terminal:a"), message=Message(text=str(n))) for n in (1, 2)]
    await database.commit_batch(lambda _, w: outbox.enqueue(w, thread, effects, START, 2))
    assert [p.effect for p in await database.transaction(outbox.list_pending)] == effects
    await database.commit_batch(lambda _, w: outbox.remove(w, thread, ["reply:1", "reply:none"]))
    assert await database.transaction(outbox.list_pending) == [outbox.OutboxMessage(thread, effects[1])]


async def test_a_code_is_never_given_out_twice(database: Database, thread: str) -> None:
    await database.commit_batch(lambda _, w: insert_request(w, request(thread)))
    with pytest.raises(DuplicateCode):
        await database.commit_batch(lambda _, w: insert_request(w, request(thread, 2)))


async def test_a_request_is_found_by_id_and_by_code_in_any_case(database: Database, thread: str) -> None:
    asked = request(thread)
    await database.commit_batch(lambda _, w: insert_request(w, asked))
    for name in ("req_1", "ABCDE", "abcde"):
        assert await database.transaction(lambda c, n=name: load_request(c, n)) == asked
    with pytest.raises(RequestNotFound):
        await database.transaction(lambda c: load_request(c, "nope"))


async def test_a_request_is_settled_once(database: Database, thread: str) -> None:
    asked = request(thread)
    await database.commit_batch(lambda _, w: insert_request(w, asked))
    answered, expired = (asked.model_copy(update={"status": status}) for status in ("answered", "expired"))
    await database.commit_batch(lambda _, w: update_request(w, asked, answered))
    with pytest.raises(AlreadySettled):
        await database.commit_batch(lambda _, w: update_request(w, asked, expired))
    assert (await database.transaction(lambda c: load_request(c, "req_1"))).status == "answered"


async def test_requests_are_listed_by_status_and_thread(database: Database, thread: str) -> None:
    for number, code in enumerate(("AAAAA", "BBBBB", "CCCCC"), 1):
        await database.commit_batch(lambda _, w, n=number, k=code: insert_request(w, request(thread, n, k)))

    def found(**narrowed):
        wanted = {"status": None, "thread_id": None, "before": None, "limit": 9} | narrowed
        return lambda c: [r.id for r in list_requests(c, **wanted)]

    assert await database.transaction(found()) == ["req_3", "req_2", "req_1"]
    assert await database.transaction(found(status="open", limit=1)) == ["req_3"]
    assert await database.transaction(found(before=(START, "req_2"))) == ["req_1"]
    assert await database.transaction(found(thread_id="thr_none")) == []


async def test_messages_of_one_moment_leave_in_the_order_in_which_they_were_wanted(
    database: Database, thread: str
) -> None:
    wanted = [SendMessage(key=key, to=Address("terminal:a"), message=Message(text=key)) for key in ("z", "a")]
    for version, effect in enumerate(wanted, 2):
        await database.commit_batch(lambda _, w, v=version, e=effect: outbox.enqueue(w, thread, [e], START, v))
    assert [parcel.effect for parcel in await database.transaction(outbox.list_pending)] == wanted


async def test_what_corrects_something_leaves_before_what_is_new(database: Database, thread: str) -> None:
    to, receipt = Address("terminal:a"), Receipt(ref="1", digest="d")
    words = SendMessage(key="reply:2", to=to, message=Message(text="words"))
    correction = SendMessage(key="settle:1", to=to, message=Message(text="settled"), replaces=receipt)
    await database.commit_batch(lambda _, w: outbox.enqueue(w, thread, [words], START, 2))
    await database.commit_batch(lambda _, w: outbox.enqueue(w, thread, [correction], START, 3))
    waiting = await database.transaction(lambda connection: outbox.list_pending_for(connection, thread, to))
    assert [parcel.effect for parcel in waiting] == [correction, words]
