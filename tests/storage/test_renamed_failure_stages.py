"""Migration 0007: two stages of failed tool calls are renamed, and the states of their threads are folded again."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from sqlalchemy import Engine, text

from agents.core.event_base import FailureStage
from agents.core.events import KnownEvent, ToolFailed
from agents.core.reducer import fold
from agents.core.state import ThreadState
from agents.core.values import Address
from storage.database.database import Database, create_database_engine
from storage.database.schema import HEAD_REVISION, migrate
from storage.database.transactions import WriteBatch
from storage.event_store import ThreadStore, events_after, list_thread_states
from storage.replay import replay_on_connection
from tests.histories import START_TIME
from tests.storage.test_event_store import opening_events

ERROR = '"stage":"look", "stage":"check", unbegun, not_started'
STAGES = (*get_args(FailureStage), None)
OLD_STAGES = ["unbegun", "look", "postponed", None]
EVENTS: list[KnownEvent] = [
    *opening_events(),
    *(
        ToolFailed(at=START_TIME, actor=Address("tool:t"), call_id="call_1", error=ERROR, stage=stage)
        for stage in STAGES
    ),
]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = create_database_engine(database_url)
    yield opened
    opened.dispose()


def rows_of(engine: Engine, table: str, order: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(f"SELECT * FROM {table} ORDER BY {order}")).all())  # noqa: S608


async def write_thread(database: Database, events: list[KnownEvent]) -> ThreadState:
    after = fold(ThreadState(), events)
    await database.commit_batch(lambda _, writes: _append(writes, events, after))
    return after


def _append(writes: WriteBatch, events: list[KnownEvent], after: ThreadState) -> None:
    ThreadStore().append(writes, ThreadState(), events, after)


async def test_downgrade_restores_old_stages_and_upgrade_the_same_rows(database: Database, engine: Engine) -> None:
    await write_thread(database, EVENTS)
    before = rows_of(engine, "event", "seq")
    migrate(engine, "0006")
    old = [json.loads(row.data) for row in rows_of(engine, "event", "seq") if row.type == "ToolFailed"]
    assert [data.get("stage") for data in old] == OLD_STAGES
    assert {data["error"] for data in old} == {ERROR}
    assert migrate(engine) == HEAD_REVISION
    assert rows_of(engine, "event", "seq") == before


async def test_migrated_database_opens_lists_and_replays(database: Database, engine: Engine) -> None:
    state = await write_thread(database, EVENTS)
    migrate(engine, "0006")
    assert [json.loads(row.state) for row in rows_of(engine, "thread", "id")] == [{"thread_id": "thr_1"}]
    migrate(engine)
    assert await database.read(lambda connection: list_thread_states(connection, limit=9)) == [state]
    assert await database.read(lambda connection: ThreadStore().load(connection, "thr_1")) == state
    replayed = await database.read(lambda connection: replay_on_connection(connection, "thr_1"))
    assert (replayed.is_match, replayed.unreadable, replayed.state) == (True, None, state)
    assert await database.read(lambda connection: [event for _, event in events_after(connection, "thr_1")]) == EVENTS


async def test_state_of_a_thread_without_renamed_stages_is_kept(database: Database, engine: Engine) -> None:
    await write_thread(database, opening_events())
    before = rows_of(engine, "thread", "id")
    migrate(engine, "0006")
    assert migrate(engine) == HEAD_REVISION
    assert rows_of(engine, "thread", "id") == before
