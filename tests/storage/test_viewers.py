"""Lists for one viewer: complete whether they see little or much, and right after an upgrade."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from agents.addresses import Address, person_address
from agents.events import MessageReceived, RequestOpened, ThreadStarted
from agents.people import People, Person
from agents.reducer import fold
from agents.requests import Request
from agents.rights import audience_names, to_viewer
from agents.state import ThreadState
from storage.database import Database, create_database_engine
from storage.event_store import ThreadStore, list_thread_states, load_uncached
from storage.replay import replay_on_connection
from storage.requests import insert_request, list_requests
from storage.schema import migrate
from storage.viewers import MAX_NAMED_THREADS
from storage.write_batch import WriteBatch, execute_all
from tests.histories import START, RandomHistory, find_history

ALICE = to_viewer(person_address("alice"), People(members=(Person(key="alice", name="Alice"),)))
NEW_FIELDS = ("requesters", "deciders")
BOB = to_viewer(person_address("bob"), People(members=(Person(key="bob", name="Bob"),)))


def opened(number: int, by: str) -> list[ThreadStarted | MessageReceived]:
    at, who, place = START + timedelta(minutes=number), person_address(by), Address(f"terminal:{by}")
    started = ThreadStarted(at=at, actor=who, thread_id=f"thr_{number}", agent="a", origin=place, requester=who)
    return [started, MessageReceived(at=at, actor=who, text="hello", source=place)]


def write_threads(writes: WriteBatch, by: dict[str, int]) -> None:
    threads, numbers = ThreadStore(), iter(range(sum(by.values())))
    for who, many in by.items():
        for _ in range(many):
            events = opened(next(numbers), who)
            threads.append(writes, ThreadState(), events, fold(ThreadState(), events))


async def test_lists_are_complete_for_those_who_see_little_and_much(database: Database) -> None:
    many = MAX_NAMED_THREADS + 1
    await database.commit_batch(lambda _, w: write_threads(w, {"alice": many, "bob": 2}))
    for viewer, expected in ((ALICE, many), (BOB, 2)):
        found = await database.read(lambda c, v=viewer: list_thread_states(c, limit=many + 2, viewer=v))
        assert len(found) == expected
        assert {state.requester for state in found} <= viewer.names
    newest = await database.read(lambda c: list_thread_states(c, limit=1, viewer=ALICE))
    assert newest[0].thread_id == f"thr_{many - 1}"


async def test_requests_are_listed_for_those_their_thread_is_for(database: Database) -> None:
    request = find_history(lambda walk: walk.state.open_request is not None).state.open_request
    assert request is not None

    def write(writes: WriteBatch) -> None:
        write_threads(writes, {"alice": 1, "bob": 1})
        for number in (0, 1):
            insert_request(writes, _copy(request, number))

    await database.commit_batch(lambda _, w: write(w))
    for viewer, expected in ((ALICE, ["req_0"]), (BOB, ["req_1"])):
        found = await database.read(
            lambda c, v=viewer: list_requests(c, status=None, thread_id=None, before=None, limit=9, viewer=v)
        )
        assert [one.id for one in found] == expected


def _copy(request: Request, number: int) -> Request:
    return request.model_copy(update={"id": f"req_{number}", "code": f"C{number}", "thread_id": f"thr_{number}"})


# Upgrades


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    found = create_database_engine(database_url)
    yield found
    found.dispose()


def answered_and_never_forked(walk: RandomHistory) -> bool:
    kinds = {event.type for event in walk.events}
    return {"RequestAnswered", "ThreadFinished"} <= kinds and "ThreadForked" not in kinds


def write_history(engine: Engine, walk: RandomHistory) -> None:
    writes = WriteBatch()
    ThreadStore().append(writes, ThreadState(), walk.events, walk.state)
    for event in walk.events:
        if isinstance(event, RequestOpened):
            insert_request(writes, event.request)
    with engine.begin() as connection:
        execute_all(connection, writes)


def make_it_old(engine: Engine) -> None:
    """Leave what version 0003 left: states that do not say whom a thread is for, and no viewers."""
    migrate(engine, "0003")
    with engine.begin() as connection:
        for row in connection.execute(text("SELECT id, state FROM thread")).all():
            old = {name: value for name, value in json.loads(row.state).items() if name not in NEW_FIELDS}
            renewed = {"id": row.id, "state": json.dumps(old)}
            connection.execute(text("UPDATE thread SET state = :state WHERE id = :id"), renewed)


def test_an_upgrade_finds_whom_threads_are_for(engine: Engine) -> None:
    walk = find_history(answered_and_never_forked)
    write_history(engine, walk)
    make_it_old(engine)
    migrate(engine)
    with engine.connect() as connection:
        names = connection.execute(text("SELECT name FROM thread_viewer")).scalars().all()
        assert sorted(names) == sorted(audience_names(walk.state))
        assert load_uncached(connection, walk.state.thread_id) == walk.state
        assert replay_on_connection(connection, walk.state.thread_id).is_match
