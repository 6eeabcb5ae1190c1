"""The event store keeps a total order of events per thread and a projection of it, and can replay both."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from agents.core.errors import AlreadySettled, ThreadNotFound, VersionConflict
from agents.core.events import KnownEvent, MessageReceived, ThreadFinished, ThreadPaused, ThreadStarted
from agents.core.reducer import fold
from agents.core.requests import Request
from agents.core.state import ThreadState
from agents.core.values import Address, person_address
from storage.database.database import Database
from storage.database.transactions import WriteBatch
from storage.event_store import ThreadStore, events_after, list_thread_states, load_uncached
from storage.replay import ReplayResult, replay_on_connection
from storage.requests import insert_request, update_request
from storage.schedule import list_due_threads, list_unfinished_threads, next_wake_at
from tests.histories import START_TIME, RandomHistory, find_history


async def write_history(database: Database, history: RandomHistory, size: int = 3) -> ThreadState:
    """Append the events of a history, `size` at a time, and return the state."""
    state = ThreadState()
    for start in range(0, len(history.events), size):
        events = history.events[start : start + size]
        state = await database.commit_batch(
            lambda _, writes, state=state, events=events: append_events(ThreadStore(), writes, state, *events)
        )
    return state


def opening_events(thread_id: str = "thr_1", minutes: int = 0) -> list[KnownEvent]:
    at, alice, terminal = START_TIME + timedelta(minutes=minutes), person_address("alice"), Address("terminal:alice")
    started = ThreadStarted(at=at, actor=alice, thread_id=thread_id, agent="a", origin=terminal, requester=alice)
    return [started, MessageReceived(at=at, actor=alice, text="hello", source=terminal)]


def pause_event(state: ThreadState) -> ThreadPaused:
    return ThreadPaused(at=START_TIME, actor=person_address("bob"), reason=f"at {state.version}")


def append_events(threads: ThreadStore, writes: WriteBatch, before: ThreadState, *events: KnownEvent) -> ThreadState:
    after = fold(before, events)
    threads.append(writes, before, events, after)
    return after


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_long_history_loads_and_replays_to_the_stored_state(database: Database, size) -> None:
    def has_many_events(history: RandomHistory) -> bool:
        types = {event.type for event in history.events}
        return "ThreadForked" not in types and {"ToolSucceeded", "RequestAnswered", "ThreadFinished"} <= types

    history = find_history(has_many_events)
    state = await write_history(database, history, size)
    assert await database.transaction(lambda connection: replay_on_connection(connection, "thr_walk")) == ReplayResult(
        state, is_match=True
    )
    read = await database.transaction(lambda connection: events_after(connection, "thr_walk"))
    assert read == list(enumerate(history.events, 1))


async def test_second_writer_of_a_version_gets_a_conflict(database: Database) -> None:
    opened = await database.commit_batch(
        lambda _, writes: append_events(ThreadStore(), writes, ThreadState(), *opening_events())
    )
    await database.commit_batch(lambda _, writes: append_events(ThreadStore(), writes, opened, pause_event(opened)))
    with pytest.raises(VersionConflict):
        await database.commit_batch(lambda _, writes: append_events(ThreadStore(), writes, opened, pause_event(opened)))
    assert len(await database.transaction(lambda connection: events_after(connection, "thr_1"))) == 3


@pytest.mark.parametrize("for_update", [False, True])
async def test_loser_of_a_race_gets_the_version_conflict_first(database: Database, for_update: bool) -> None:
    history = find_history(
        lambda history: (
            history.state.open_request is not None and "ThreadForked" not in {e.type for e in history.events}
        )
    )
    opened = await write_history(database, history)
    request = opened.open_request
    assert request is not None
    answered, expired = (request.model_copy(update={"status": status}) for status in ("answered", "expired"))

    def append_and_settle(writes: WriteBatch, before: Request, after: Request) -> None:
        append_events(ThreadStore(), writes, opened, pause_event(opened))
        update_request(writes, before, after)

    await database.commit_batch(lambda _, writes: insert_request(writes, answered))
    with pytest.raises(AlreadySettled):
        await database.commit_batch(
            lambda _, writes: append_and_settle(writes, request, expired), for_update=for_update
        )
    await database.commit_batch(lambda _, writes: append_and_settle(writes, answered, expired), for_update=for_update)
    with pytest.raises(VersionConflict):
        await database.commit_batch(
            lambda _, writes: append_and_settle(writes, answered, expired), for_update=for_update
        )


async def test_locking_transaction_commits_synchronously(
    postgres_url: str,
) -> None:
    """Synchronous commit is off only for a read that is the whole transaction."""

    def lock_and_show(connection: Connection, _writes: WriteBatch) -> str:
        ThreadStore(is_multi_process=True).load(connection, "thr_1", for_update=True)
        return str(connection.execute(text("SHOW synchronous_commit")).scalar_one())

    database = Database.open(postgres_url)
    await database.commit_batch(
        lambda _, writes: append_events(ThreadStore(is_multi_process=True), writes, ThreadState(), *opening_events())
    )
    assert await database.commit_batch(lock_and_show, for_update=True) == "on"
    await database.close()


async def test_cache_keeps_the_later_of_two_reordered_commits() -> None:
    threads = ThreadStore(is_multi_process=True)
    opened = fold(ThreadState(), opening_events())
    paused = fold(opened, [pause_event(opened)])
    threads.update_cache(paused)
    threads.update_cache(opened)
    assert threads._cache.get("thr_1") == paused


async def test_unknown_thread_is_not_found(database: Database) -> None:
    with pytest.raises(ThreadNotFound, match="thr_none"):
        await database.transaction(lambda connection: ThreadStore().load(connection, "thr_none"))


async def test_rollback_clears_uncommitted_states_from_the_cache(database: Database) -> None:
    threads = ThreadStore(is_multi_process=database.is_multi_process)
    database.on_rollback.append(threads.clear_cache)
    opened = await database.commit_batch(
        lambda _, writes: append_events(threads, writes, ThreadState(), *opening_events())
    )

    def fail(_connection, writes) -> None:
        append_events(threads, writes, opened, pause_event(opened))
        raise LookupError

    with pytest.raises(LookupError):
        await database.commit_batch(fail)
    assert await database.transaction(lambda connection: threads.load(connection, "thr_1")) == opened


@pytest.mark.parametrize(
    "statement",
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
async def test_tampered_projection_or_log_does_not_match_its_replay(database: Database, statement: str) -> None:
    opened = await database.commit_batch(
        lambda _, writes: append_events(ThreadStore(), writes, ThreadState(), *opening_events())
    )
    done = ThreadFinished(at=START_TIME, actor=person_address("bob"), reason="done")
    await database.commit_batch(lambda _, writes: append_events(ThreadStore(), writes, opened, done))
    assert (await database.transaction(lambda connection: replay_on_connection(connection, "thr_1"))).is_match
    await database.transaction(lambda connection: connection.execute(text(statement)))
    assert not (await database.transaction(lambda connection: replay_on_connection(connection, "thr_1"))).is_match


async def test_log_without_a_request_opened_event_does_not_match_its_replay(database: Database) -> None:
    def is_answered(history: RandomHistory) -> bool:
        types = {event.type for event in history.events}
        return "RequestAnswered" in types and "ThreadForked" not in types

    history = find_history(is_answered)
    await write_history(database, history)
    delete = "DELETE FROM event WHERE type IN ('RequestOpened', 'RequestShown')"
    await database.transaction(lambda connection: connection.execute(text(delete)))
    assert not (await database.transaction(lambda connection: replay_on_connection(connection, "thr_walk"))).is_match


async def test_threads_are_listed_newest_first_filtered_and_paged(database: Database) -> None:
    for number in range(5):
        await database.commit_batch(
            lambda _, writes, number=number: append_events(
                ThreadStore(), writes, ThreadState(), *opening_events(f"thr_{number}", number // 2)
            )
        )
    await database.commit_batch(
        lambda connection, writes: append_events(
            ThreadStore(), writes, load_uncached(connection, "thr_3"), pause_event(ThreadState())
        )
    )

    def list_ids(**filters):
        return lambda connection: [
            s.thread_id
            for s in list_thread_states(
                connection, **{"status": None, "agent": None, "before": None, "limit": 9} | filters
            )
        ]

    all_threads = await database.transaction(list_ids())
    assert all_threads == ["thr_4", "thr_3", "thr_2", "thr_1", "thr_0"]
    assert await database.transaction(list_ids(status="paused")) == ["thr_3"]
    assert await database.transaction(list_ids(agent="b")) == []
    position = (START_TIME + timedelta(minutes=1), "thr_3")
    assert await database.transaction(list_ids(before=position, limit=2)) == ["thr_2", "thr_1"]


async def test_due_and_unfinished_threads_come_from_the_projection(database: Database) -> None:
    history = find_history(
        lambda history: (
            history.state.open_request is not None
            and not history.state.paused
            and history.state.thread_id == "thr_walk"
        )
    )
    await database.commit_batch(
        lambda _, writes: append_events(ThreadStore(), writes, ThreadState(), *opening_events())
    )
    assert await database.transaction(list_unfinished_threads) == ["thr_1"]
    assert await database.transaction(next_wake_at) is None
    await write_history(database, history)
    at = await database.transaction(next_wake_at)
    assert at is not None
    assert (
        await database.transaction(lambda connection: list_due_threads(connection, at - timedelta(microseconds=1)))
        == []
    )
    assert await database.transaction(lambda connection: list_due_threads(connection, at)) == ["thr_walk"]
