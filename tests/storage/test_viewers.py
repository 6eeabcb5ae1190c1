"""Lists for a viewer are complete for few and many visible threads, also after an upgrade."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from agents.core.events import MessageReceived, RequestOpened, ThreadStarted
from agents.core.people import People, Person
from agents.core.reducer import fold
from agents.core.requests import Request
from agents.core.rights import audience_addresses, to_viewer
from agents.core.state import ThreadState
from agents.core.values import Address, person_address
from storage.database import postgres_batch, sqlite_executor
from storage.database.database import Database, create_database_engine
from storage.database.schema import migrate
from storage.database.transactions import WriteBatch
from storage.event_store import ThreadStore, list_thread_states, load_uncached
from storage.listing import MAX_NAMED_THREADS
from storage.replay import replay_on_connection
from storage.requests import insert_request, list_requests
from tests.histories import START_TIME, RandomHistory, find_history

ALICE = to_viewer(person_address("alice"), People(members=(Person(key="alice", name="Alice"),)))
NEW_FIELDS = ("requesters", "deciders")
BOB = to_viewer(person_address("bob"), People(members=(Person(key="bob", name="Bob"),)))


def events_of_thread(number: int, by: str) -> list[ThreadStarted | MessageReceived]:
    at, person, address = START_TIME + timedelta(minutes=number), person_address(by), Address(f"terminal:{by}")
    started = ThreadStarted(at=at, actor=person, thread_id=f"thr_{number}", agent="a", origin=address, requester=person)
    return [started, MessageReceived(at=at, actor=person, text="hello", source=address)]


def write_threads(writes: WriteBatch, by: dict[str, int]) -> None:
    threads, numbers = ThreadStore(), iter(range(sum(by.values())))
    for name, thread_count in by.items():
        for _ in range(thread_count):
            events = events_of_thread(next(numbers), name)
            threads.append(writes, ThreadState(), events, fold(ThreadState(), events))


async def test_list_for_a_viewer_is_complete(database: Database) -> None:
    thread_count = MAX_NAMED_THREADS + 1
    await database.commit_batch(lambda _, writes: write_threads(writes, {"alice": thread_count, "bob": 2}))
    for viewer, expected in ((ALICE, thread_count), (BOB, 2)):
        found = await database.read(
            lambda connection, viewer=viewer: list_thread_states(connection, limit=thread_count + 2, viewer=viewer)
        )
        assert len(found) == expected
        assert {state.requester for state in found} <= viewer.names
    newest = await database.read(lambda connection: list_thread_states(connection, limit=1, viewer=ALICE))
    assert newest[0].thread_id == f"thr_{thread_count - 1}"


async def test_viewer_sees_requests_of_visible_threads_only(database: Database) -> None:
    request = find_history(lambda history: history.state.open_request is not None).state.open_request
    assert request is not None

    def write(writes: WriteBatch) -> None:
        write_threads(writes, {"alice": 1, "bob": 1})
        for number in (0, 1):
            insert_request(writes, _copy(request, number))

    await database.commit_batch(lambda _, writes: write(writes))
    for viewer, expected in ((ALICE, ["req_0"]), (BOB, ["req_1"])):
        found = await database.read(
            lambda connection, viewer=viewer: list_requests(
                connection, status=None, thread_id=None, before=None, limit=9, viewer=viewer
            )
        )
        assert [request.id for request in found] == expected


def _copy(request: Request, number: int) -> Request:
    return request.model_copy(update={"id": f"req_{number}", "code": f"C{number}", "thread_id": f"thr_{number}"})


# Migration 0004


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    found = create_database_engine(database_url)
    yield found
    found.dispose()


def is_answered_and_not_forked(history: RandomHistory) -> bool:
    kinds = {event.type for event in history.events}
    return {"RequestAnswered", "ThreadFinished"} <= kinds and "ThreadForked" not in kinds


def write_history(engine: Engine, history: RandomHistory) -> None:
    writes = WriteBatch()
    ThreadStore().append(writes, ThreadState(), history.events, history.state)
    for event in history.events:
        if isinstance(event, RequestOpened):
            insert_request(writes, event.request)
    with engine.begin() as connection:
        is_postgres = engine.dialect.name == "postgresql"
        (postgres_batch.execute_in_order if is_postgres else sqlite_executor.execute)(connection, writes)


def downgrade_to_revision_3(engine: Engine) -> None:
    """Restore revision 0003: states without requesters and deciders, and no table of viewers."""
    migrate(engine, "0003")
    with engine.begin() as connection:
        for row in connection.execute(text("SELECT id, state FROM thread")).all():
            old_state = {name: value for name, value in json.loads(row.state).items() if name not in NEW_FIELDS}
            parameters = {"id": row.id, "state": json.dumps(old_state)}
            connection.execute(text("UPDATE thread SET state = :state WHERE id = :id"), parameters)


def test_upgrade_fills_the_viewers_of_threads(engine: Engine) -> None:
    history = find_history(is_answered_and_not_forked)
    write_history(engine, history)
    downgrade_to_revision_3(engine)
    migrate(engine)
    with engine.connect() as connection:
        names = connection.execute(text("SELECT name FROM thread_viewer")).scalars().all()
        assert sorted(names) == sorted(audience_addresses(history.state))
        assert load_uncached(connection, history.state.thread_id) == history.state
        assert replay_on_connection(connection, history.state.thread_id).is_match
