"""Migration 0006: fields of stored events, requests and messages are renamed, and nothing else changes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from agents.core.events import KnownEvent, MessageSent, ReplyChosen, RequestOpened, RequestShown
from agents.core.messages import Card, Message, Receipt, StartedConversation
from agents.core.next_step import SendMessage
from agents.core.policy import ApprovalTerms, PolicyDecision
from agents.core.reducer import fold
from agents.core.requests import PostedCard, Request, UndeliverableCard
from agents.core.state import ThreadState
from agents.core.values import Address, person_address
from storage.database.database import Database, create_database_engine
from storage.database.schema import HEAD_REVISION, migrate
from storage.database.transactions import WriteBatch
from storage.event_store import ThreadStore, events_after, list_thread_states
from storage.outbox import enqueue, list_pending
from storage.replay import replay_on_connection
from storage.requests import insert_request, load_request
from tests.histories import START_TIME
from tests.storage.test_event_store import opening_events

ALICE, SLACK = person_address("alice"), Address("slack:C1")
RECEIPT = Receipt(
    ref="r", digest="d", started=StartedConversation(address=Address("slack:C1:1.2"), conversation_key="T1:C1:1.2")
)
OLD_RECEIPT = {"ref": "r", "digest": "d", "begun": {"address": "slack:C1:1.2", "place": "T1:C1:1.2"}}
ARGUMENTS = {
    "held": True,
    "place": "é",
    "cards": [{"receipt": {"begun": {"place": 1}}}],
    "editable": 0.1,
    "ratio": 1e20,
}
REQUEST = Request(
    id="req_1",
    code="ABCD",
    kind="approval",
    purpose="tool",
    thread_id="thr_1",
    agent="a",
    requester=ALICE,
    tool="ship",
    arguments=ARGUMENTS,
    reasoning='{"held": "begun"}',
    digest="x",
    policy=PolicyDecision(answer="ask", rule="default", ask=ApprovalTerms()),
    opened_at=START_TIME,
    is_kept_open=True,
    cards=(PostedCard(address=SLACK, state="open", receipt=RECEIPT),),
    undeliverable_cards=(UndeliverableCard(address=SLACK, reason="begun", at=START_TIME),),
)
CARD = Card(
    request_id="req_1",
    code="ABCD",
    kind="approval",
    status="open",
    title="Ship",
    requester=ALICE,
    is_truncated=True,
    is_editable=False,
)
MESSAGE = SendMessage(key="message:1", to=SLACK, message=Message(text='"is_cut"', card=CARD), replaces=RECEIPT)
ENGINE = Address("system:engine")
EVENTS: list[KnownEvent] = [
    *opening_events(),
    RequestOpened(at=START_TIME, actor=Address("agent:a"), request=REQUEST),
    RequestShown(at=START_TIME, actor=ENGINE, key="k1", request_id="req_1", to=SLACK, receipt=RECEIPT),
    MessageSent(at=START_TIME, actor=ENGINE, key="k2", to=SLACK, receipt=RECEIPT),
    ReplyChosen(at=START_TIME, actor=ENGINE, text='"begun"', draft=RECEIPT),
]
TABLES = {"event": "thread_id, seq", "request": "id", "outbox": "thread_id, key"}


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = create_database_engine(database_url)
    yield opened
    opened.dispose()


def read_rows(engine: Engine) -> dict[str, Any]:
    with engine.connect() as connection:
        query = "SELECT * FROM {} ORDER BY {}"
        return {table: connection.execute(text(query.format(table, key))).all() for table, key in TABLES.items()}


async def write_thread(database: Database) -> ThreadState:
    after = fold(ThreadState(), EVENTS)

    def write(_: object, writes: WriteBatch) -> None:
        ThreadStore().append(writes, ThreadState(), EVENTS, after)
        insert_request(writes, REQUEST)
        enqueue(writes, "thr_1", [MESSAGE], START_TIME, after.version)

    await database.commit_batch(write)
    return after


async def test_downgrade_restores_old_names_and_upgrade_the_same_rows(database: Database, engine: Engine) -> None:
    await write_thread(database)
    before = read_rows(engine)
    migrate(engine, "0005")
    old = read_rows(engine)
    data = [json.loads(row.data) for row in old["event"]]
    for request in (data[2]["request"], json.loads(old["request"][0].data)):
        assert request["held"] is True
        assert request["lost_cards"][0]["reason"] == "begun"
        assert request["cards"][0]["receipt"] == OLD_RECEIPT
        assert request["arguments"] == ARGUMENTS
        assert request["reasoning"] == REQUEST.reasoning
        assert not {"is_kept_open", "undeliverable_cards"} & request.keys()
    assert data[3]["receipt"] == data[4]["receipt"] == data[5]["draft"] == OLD_RECEIPT
    effect = json.loads(old["outbox"][0].message)
    assert effect["replacing"] == OLD_RECEIPT
    assert effect["message"]["card"].items() >= {"is_cut": True, "editable": False}.items()
    assert migrate(engine) == HEAD_REVISION
    assert read_rows(engine) == before


async def test_migrated_database_opens_lists_and_replays(database: Database, engine: Engine) -> None:
    """Revision 0005 kept thread states whose fields have other names today: they are folded again from the log."""
    state = await write_thread(database)
    migrate(engine, "0005")
    old_state = {"version": state.version, "thread_id": "thr_1", "life": "open", "models_turn": False, "recent": []}
    with engine.begin() as connection:
        connection.execute(text("UPDATE thread SET state = :state"), {"state": json.dumps(old_state)})
    migrate(engine)
    assert await database.read(lambda connection: list_thread_states(connection, limit=9)) == [state]
    assert await database.read(lambda connection: ThreadStore().load(connection, "thr_1")) == state
    replayed = await database.read(lambda connection: replay_on_connection(connection, "thr_1"))
    assert (replayed.is_match, replayed.unreadable, replayed.state) == (True, None, state)
    assert await database.read(lambda connection: load_request(connection, "ABCD")) == REQUEST
    assert [message.effect for message in await database.read(list_pending)] == [MESSAGE]
    assert await database.read(lambda connection: [event for _, event in events_after(connection, "thr_1")]) == EVENTS


def test_all_batches_are_rewritten_and_other_rows_kept(engine: Engine) -> None:
    insert_thread = text(
        "INSERT INTO thread (id, agent, status, version, unfinished, created_at, updated_at, state) "
        "VALUES (:id, 'a', 'done', 1, false, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, '{}')"
    )
    insert_event = text(
        "INSERT INTO event (thread_id, seq, type, v, at, actor, data) "
        "VALUES (:id, :seq, 'MessageSent', 1, CURRENT_TIMESTAMP, 'system:engine', :data)"
    )
    threads, old = ("thr_1", "thr_2", "thr_3"), json.dumps({"receipt": OLD_RECEIPT})
    kept = ["", "{", "[1]", "{}", '{"receipt": null}', '{ "receipt": {"ref": "begun"} }']
    migrate(engine, "0005")
    with engine.begin() as connection:
        connection.execute(insert_thread, [{"id": name} for name in threads])
        rows = [{"id": name, "seq": seq, "data": old} for name in threads for seq in range(1, 500)]
        connection.execute(insert_event, rows)
        connection.execute(insert_event, [{"id": "thr_2", "seq": 900 + n, "data": data} for n, data in enumerate(kept)])
    migrate(engine)
    found = [row.data for row in read_rows(engine)["event"]]
    rewritten = [data for data in found if data not in kept]
    assert len(rewritten) == len(rows)
    assert {Receipt.model_validate(json.loads(data)["receipt"]) for data in rewritten} == {RECEIPT}
    assert [data for data in found if data in kept] == kept
