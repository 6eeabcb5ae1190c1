"""The thread store: one total order per thread, a projection that follows, and a log that can be replayed."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from agents.addresses import Address, person
from agents.errors import AlreadySettled, ThreadNotFound, VersionConflict
from agents.events import KnownEvent, MessageReceived, ThreadFinished, ThreadPaused, ThreadStarted
from agents.reducer import fold
from agents.requests import Request
from agents.state import ThreadState
from storage.database import Database
from storage.replaying import Replay, replayed
from storage.requests import open_request, save_request
from storage.threads import Threads, events_after, listed, stored
from storage.wakeups import due_threads, next_wake, unfinished_threads
from storage.writes import Writes
from tests.histories import START, Walk, some_walk


async def write(database: Database, walk: Walk, size: int = 3) -> ThreadState:
    """The walk's history, appended a few events at a time."""
    state = ThreadState()
    for cut in range(0, len(walk.events), size):
        events = walk.events[cut : cut + size]
        state = await database.write(lambda _, w, s=state, e=events: append(Threads(), w, s, *e))
    return state


def opening(thread_id: str = "thr_1", minutes: int = 0) -> list[KnownEvent]:
    at, alice, terminal = START + timedelta(minutes=minutes), person("alice"), Address("terminal:alice")
    started = ThreadStarted(at=at, actor=alice, thread_id=thread_id, agent="a", origin=terminal, requester=alice)
    return [started, MessageReceived(at=at, actor=alice, text="hello", source=terminal)]


def pause(state: ThreadState) -> ThreadPaused:
    return ThreadPaused(at=START, actor=person("bob"), reason=f"at {state.version}")


def append(threads: Threads, writes: Writes, before: ThreadState, *events: KnownEvent) -> ThreadState:
    after = fold(before, events)
    threads.append(writes, before, events, after)
    return after


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_a_long_history_is_read_back_as_it_was_and_replays_to_the_stored_state(database: Database, size) -> None:
    def eventful(walk: Walk) -> bool:
        kinds = {event.type for event in walk.events}
        return "ThreadForked" not in kinds and {"ToolSucceeded", "RequestAnswered", "ThreadFinished"} <= kinds

    walk = some_walk(eventful)
    state = await write(database, walk, size)
    assert await database.run(lambda connection: replayed(connection, "thr_walk")) == Replay(state, matches=True)
    read = await database.run(lambda connection: events_after(connection, "thr_walk"))
    assert read == list(enumerate(walk.events, 1))


async def test_of_two_writers_on_one_version_the_second_is_told_and_writes_nothing(database: Database) -> None:
    opened = await database.write(lambda _, w: append(Threads(), w, ThreadState(), *opening()))
    await database.write(lambda _, w: append(Threads(), w, opened, pause(opened)))
    with pytest.raises(VersionConflict):
        await database.write(lambda _, w: append(Threads(), w, opened, pause(opened)))
    assert len(await database.run(lambda c: events_after(c, "thr_1"))) == 3


@pytest.mark.parametrize("locking", [False, True])
async def test_who_lost_a_race_is_told_that_and_not_what_else_does_not_fit_any_more(
    database: Database, locking: bool
) -> None:
    walk = some_walk(lambda w: w.state.request is not None and "ThreadForked" not in {e.type for e in w.events})
    opened = await write(database, walk)
    request = opened.request
    assert request is not None
    answered, expired = (request.model_copy(update={"status": status}) for status in ("answered", "expired"))

    def settle(writes: Writes, before: Request, after: Request) -> None:
        append(Threads(), writes, opened, pause(opened))
        save_request(writes, before, after)

    await database.write(lambda _, writes: open_request(writes, answered))
    with pytest.raises(AlreadySettled):
        await database.write(lambda _, writes: settle(writes, request, expired), locking=locking)
    await database.write(lambda _, writes: settle(writes, answered, expired), locking=locking)
    with pytest.raises(VersionConflict):
        await database.write(lambda _, writes: settle(writes, answered, expired), locking=locking)


async def test_a_transaction_that_keeps_others_from_a_thread_is_on_the_disk_when_it_is_committed(
    postgres_url: str,
) -> None:
    """Only a read that stands alone has nothing to wait for."""

    def work(connection: Connection, _writes: Writes) -> str:
        Threads(shared=True).load(connection, "thr_1", settled=True)
        return str(connection.execute(text("SHOW synchronous_commit")).scalar_one())

    database = Database.open(postgres_url)
    await database.write(lambda _, w: append(Threads(shared=True), w, ThreadState(), *opening()))
    assert await database.write(work, locking=True) == "on"
    await database.close()


async def test_of_two_commits_that_are_told_of_in_the_wrong_order_the_later_one_is_remembered() -> None:
    threads = Threads(shared=True)
    opened = fold(ThreadState(), opening())
    paused = fold(opened, [pause(opened)])
    threads.committed(paused)
    threads.committed(opened)
    assert threads.likely("thr_1") == paused


async def test_a_thread_nobody_opened_is_not_found(database: Database) -> None:
    with pytest.raises(ThreadNotFound, match="thr_none"):
        await database.run(lambda c: Threads().load(c, "thr_none"))


async def test_a_state_remembered_in_vain_is_forgotten_with_the_roll_back(database: Database) -> None:
    threads = Threads(shared=database.shared)
    database.forgetters.append(threads.forget)
    opened = await database.write(lambda _, w: append(threads, w, ThreadState(), *opening()))

    def fail(_connection, writes) -> None:
        append(threads, writes, opened, pause(opened))
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(fail)
    assert await database.run(lambda c: threads.load(c, "thr_1")) == opened


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
    opened = await database.write(lambda _, w: append(Threads(), w, ThreadState(), *opening()))
    done = ThreadFinished(at=START, actor=person("bob"), reason="done")
    await database.write(lambda _, w: append(Threads(), w, opened, done))
    assert (await database.run(lambda c: replayed(c, "thr_1"))).matches
    await database.run(lambda c: c.execute(text(tampering)))
    assert not (await database.run(lambda c: replayed(c, "thr_1"))).matches


async def test_a_log_that_lost_the_opening_of_a_request_no_longer_replays(database: Database) -> None:
    def answered(walk: Walk) -> bool:
        kinds = {event.type for event in walk.events}
        return "RequestAnswered" in kinds and "ThreadForked" not in kinds

    walk = some_walk(answered)
    await write(database, walk)
    lost = "DELETE FROM event WHERE type IN ('RequestOpened', 'RequestShown')"
    await database.run(lambda c: c.execute(text(lost)))
    assert not (await database.run(lambda c: replayed(c, "thr_walk"))).matches


async def test_threads_are_listed_newest_first_by_status_and_agent_and_page_by_page(database: Database) -> None:
    for number in range(5):
        await database.write(lambda _, w, n=number: append(Threads(), w, ThreadState(), *opening(f"thr_{n}", n // 2)))
    await database.write(lambda c, w: append(Threads(), w, stored(c, "thr_3"), pause(ThreadState())))

    def page(**narrowed):
        return lambda c: [
            s.thread_id for s in listed(c, **{"status": None, "agent": None, "before": None, "limit": 9} | narrowed)
        ]

    everything = await database.run(page())
    assert everything == ["thr_4", "thr_3", "thr_2", "thr_1", "thr_0"]
    assert await database.run(page(status="paused")) == ["thr_3"]
    assert await database.run(page(agent="b")) == []
    behind = (START + timedelta(minutes=1), "thr_3")
    assert await database.run(page(before=behind, limit=2)) == ["thr_2", "thr_1"]


async def test_wake_ups_are_read_from_the_projection(database: Database) -> None:
    walk = some_walk(lambda w: w.state.request is not None and not w.state.paused and w.state.thread_id == "thr_walk")
    await database.write(lambda _, w: append(Threads(), w, ThreadState(), *opening()))
    assert await database.run(unfinished_threads) == ["thr_1"]
    assert await database.run(next_wake) is None
    await write(database, walk)
    at = await database.run(next_wake)
    assert at is not None
    assert await database.run(lambda c: due_threads(c, at - timedelta(microseconds=1))) == []
    assert await database.run(lambda c: due_threads(c, at)) == ["thr_walk"]
