"""The thread store: one total order per thread, a projection that follows, and a log that can be replayed."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from agents.addresses import Address, person_address
from agents.errors import AlreadySettled, ThreadNotFound, VersionConflict
from agents.events import KnownEvent, MessageReceived, ThreadFinished, ThreadPaused, ThreadStarted
from agents.reducer import fold
from agents.requests import Request
from agents.state import ThreadState
from storage.database import Database
from storage.event_store import ThreadStore, events_after, list_thread_states, load_uncached
from storage.replay import ReplayResult, replay_on_connection
from storage.requests import insert_request, update_request
from storage.schedule import list_due_threads, list_unfinished_threads, next_wake_at
from storage.write_batch import WriteBatch
from tests.histories import START, RandomHistory, find_history


async def write(database: Database, walk: RandomHistory, size: int = 3) -> ThreadState:
    """The walk's history, appended a few events at a time."""
    state = ThreadState()
    for cut in range(0, len(walk.events), size):
        events = walk.events[cut : cut + size]
        state = await database.commit_batch(lambda _, w, s=state, e=events: append(ThreadStore(), w, s, *e))
    return state


def opening(thread_id: str = "thr_1", minutes: int = 0) -> list[KnownEvent]:
    at, alice, terminal = START + timedelta(minutes=minutes), person_address("alice"), Address("terminal:alice")
    started = ThreadStarted(at=at, actor=alice, thread_id=thread_id, agent="a", origin=terminal, requester=alice)
    return [started, MessageReceived(at=at, actor=alice, text="hello", source=terminal)]


def pause(state: ThreadState) -> ThreadPaused:
    return ThreadPaused(at=START, actor=person_address("bob"), reason=f"at {state.version}")


def append(threads: ThreadStore, writes: WriteBatch, before: ThreadState, *events: KnownEvent) -> ThreadState:
    after = fold(before, events)
    threads.append(writes, before, events, after)
    return after


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_a_long_history_is_read_back_as_it_was_and_replays_to_the_stored_state(database: Database, size) -> None:
    def eventful(walk: RandomHistory) -> bool:
        kinds = {event.type for event in walk.events}
        return "ThreadForked" not in kinds and {"ToolSucceeded", "RequestAnswered", "ThreadFinished"} <= kinds

    walk = find_history(eventful)
    state = await write(database, walk, size)
    assert await database.transaction(lambda connection: replay_on_connection(connection, "thr_walk")) == ReplayResult(
        state, is_match=True
    )
    read = await database.transaction(lambda connection: events_after(connection, "thr_walk"))
    assert read == list(enumerate(walk.events, 1))


async def test_of_two_writers_on_one_version_the_second_is_told_and_writes_nothing(database: Database) -> None:
    opened = await database.commit_batch(lambda _, w: append(ThreadStore(), w, ThreadState(), *opening()))
    await database.commit_batch(lambda _, w: append(ThreadStore(), w, opened, pause(opened)))
    with pytest.raises(VersionConflict):
        await database.commit_batch(lambda _, w: append(ThreadStore(), w, opened, pause(opened)))
    assert len(await database.transaction(lambda c: events_after(c, "thr_1"))) == 3


@pytest.mark.parametrize("locking", [False, True])
async def test_who_lost_a_race_is_told_that_and_not_what_else_does_not_fit_any_more(
    database: Database, locking: bool
) -> None:
    walk = find_history(lambda w: w.state.open_request is not None and "ThreadForked" not in {e.type for e in w.events})
    opened = await write(database, walk)
    request = opened.open_request
    assert request is not None
    answered, expired = (request.model_copy(update={"status": status}) for status in ("answered", "expired"))

    def settle(writes: WriteBatch, before: Request, after: Request) -> None:
        append(ThreadStore(), writes, opened, pause(opened))
        update_request(writes, before, after)

    await database.commit_batch(lambda _, writes: insert_request(writes, answered))
    with pytest.raises(AlreadySettled):
        await database.commit_batch(lambda _, writes: settle(writes, request, expired), for_update=locking)
    await database.commit_batch(lambda _, writes: settle(writes, answered, expired), for_update=locking)
    with pytest.raises(VersionConflict):
        await database.commit_batch(lambda _, writes: settle(writes, answered, expired), for_update=locking)


async def test_a_transaction_that_keeps_others_from_a_thread_is_on_the_disk_when_it_is_committed(
    postgres_url: str,
) -> None:
    """Only a read that stands alone has nothing to wait for."""

    def work(connection: Connection, _writes: WriteBatch) -> str:
        ThreadStore(is_multi_process=True).load(connection, "thr_1", for_update=True)
        return str(connection.execute(text("SHOW synchronous_commit")).scalar_one())

    database = Database.open(postgres_url)
    await database.commit_batch(lambda _, w: append(ThreadStore(is_multi_process=True), w, ThreadState(), *opening()))
    assert await database.commit_batch(work, for_update=True) == "on"
    await database.close()


async def test_of_two_commits_that_are_told_of_in_the_wrong_order_the_later_one_is_remembered() -> None:
    threads = ThreadStore(is_multi_process=True)
    opened = fold(ThreadState(), opening())
    paused = fold(opened, [pause(opened)])
    threads.update_cache(paused)
    threads.update_cache(opened)
    assert threads.cached("thr_1") == paused


async def test_a_thread_nobody_opened_is_not_found(database: Database) -> None:
    with pytest.raises(ThreadNotFound, match="thr_none"):
        await database.transaction(lambda c: ThreadStore().load(c, "thr_none"))


async def test_a_state_remembered_in_vain_is_forgotten_with_the_roll_back(database: Database) -> None:
    threads = ThreadStore(is_multi_process=database.is_multi_process)
    database.on_rollback.append(threads.clear_cache)
    opened = await database.commit_batch(lambda _, w: append(threads, w, ThreadState(), *opening()))

    def fail(_connection, writes) -> None:
        append(threads, writes, opened, pause(opened))
        raise LookupError

    with pytest.raises(LookupError):
        await database.commit_batch(fail)
    assert await database.transaction(lambda c: threads.load(c, "thr_1")) == opened


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE thread SET state = replace(state, 'hello', 'HELLO')",
        "UPDATE thread SET state = 'gone'",
        "UPDATE thread SET status = 'running'",
        "UPDATE thread SET version = version + 1",
        "UPDATE thread SET wake_at = '2026-01-01 00:00:00.000000'",
        "UPDATE event SET data = replace(data, 'hello', 'HELLO') WHERE seq = 2",
        "DELETE FROM event WHERE seq = 3",
    ],
)
async def test_whatever_was_tampered_with_no_longer_replays(database: Database, tampering: str) -> None:
    opened = await database.commit_batch(lambda _, w: append(ThreadStore(), w, ThreadState(), *opening()))
    done = ThreadFinished(at=START, actor=person_address("bob"), reason="done")
    await database.commit_batch(lambda _, w: append(ThreadStore(), w, opened, done))
    assert (await database.transaction(lambda c: replay_on_connection(c, "thr_1"))).is_match
    await database.transaction(lambda c: c.execute(text(tampering)))
    assert not (await database.transaction(lambda c: replay_on_connection(c, "thr_1"))).is_match


async def test_a_log_that_lost_the_opening_of_a_request_no_longer_replays(database: Database) -> None:
    def answered(walk: RandomHistory) -> bool:
        kinds = {event.type for event in walk.events}
        return "RequestAnswered" in kinds and "ThreadForked" not in kinds

    walk = find_history(answered)
    await write(database, walk)
    lost = "DELETE FROM event WHERE type IN ('RequestOpened', 'RequestShown')"
    await database.transaction(lambda c: c.execute(text(lost)))
    assert not (await database.transaction(lambda c: replay_on_connection(c, "thr_walk"))).is_match


async def test_threads_are_listed_newest_first_by_status_and_agent_and_page_by_page(database: Database) -> None:
    for number in range(5):
        await database.commit_batch(
            lambda _, w, n=number: append(ThreadStore(), w, ThreadState(), *opening(f"thr_{n}", n // 2))
        )
    await database.commit_batch(lambda c, w: append(ThreadStore(), w, load_uncached(c, "thr_3"), pause(ThreadState())))

    def page(**narrowed):
        return lambda c: [
            s.thread_id
            for s in list_thread_states(c, **{"status": None, "agent": None, "before": None, "limit": 9} | narrowed)
        ]

    everything = await database.transaction(page())
    assert everything == ["thr_4", "thr_3", "thr_2", "thr_1", "thr_0"]
    assert await database.transaction(page(status="paused")) == ["thr_3"]
    assert await database.transaction(page(agent="b")) == []
    behind = (START + timedelta(minutes=1), "thr_3")
    assert await database.transaction(page(before=behind, limit=2)) == ["thr_2", "thr_1"]


async def test_wake_ups_are_read_from_the_projection(database: Database) -> None:
    walk = find_history(
        lambda w: w.state.open_request is not None and not w.state.paused and w.state.thread_id == "thr_walk"
    )
    await database.commit_batch(lambda _, w: append(ThreadStore(), w, ThreadState(), *opening()))
    assert await database.transaction(list_unfinished_threads) == ["thr_1"]
    assert await database.transaction(next_wake_at) is None
    await write(database, walk)
    at = await database.transaction(next_wake_at)
    assert at is not None
    assert await database.transaction(lambda c: list_due_threads(c, at - timedelta(microseconds=1))) == []
    assert await database.transaction(lambda c: list_due_threads(c, at)) == ["thr_walk"]
