"""Rows a newer build wrote: they are folded again from the log, or shown as unreadable, and nothing else is touched.

A process of the build before goes on during a deploy, and is started again after a roll back.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, text

from agents.addresses import Address
from agents.errors import Unavailable, WrongState
from agents.steps import DoneForNow
from bot.web.response_models import request_view, thread_view
from channels.registry import channels_by_scheme
from storage.database import Database
from storage.event_store import list_thread_states, load_uncached
from storage.outbox import list_pending, list_pending_for
from storage.replay import replay
from storage.requests import list_requests
from tests.bot.conftest import BotSetup
from tests.bot_harness import PEOPLE, BotHarness, RecordingChannel
from tests.fakes.clock import FakeClock
from tests.fakes.scripted_model import ScriptedModel

SHIP, DONE = {"intent": "ship", "tag": "v1"}, DoneForNow(message="Done.")
Change = Callable[[dict[str, Any]], None]

UNKNOWN_EVENT = "UPDATE event SET type = 'ThreadBlessed' WHERE thread_id = :thread AND seq = 2"
NEWER_EVENT = "UPDATE event SET v = 99 WHERE thread_id = :thread AND seq = 2"
STRANGE_ACTOR = (
    "UPDATE event SET type = 'ThreadBlessed', actor = 'Not An Address' WHERE thread_id = :thread AND seq = 2"
)
UNKNOWN_START = "UPDATE event SET type = 'ThreadBegun' WHERE thread_id = :thread AND seq = 1"
NO_JSON = "UPDATE event SET data = '[]' WHERE thread_id = :thread AND seq = 2"
UNREADABLE_LOGS = (UNKNOWN_EVENT, NEWER_EVENT, STRANGE_ACTOR, UNKNOWN_START, NO_JSON)


def gain_a_field(data: dict[str, Any]) -> None:
    data["blessed"] = {"by": "a newer build"}


def lose_a_field(data: dict[str, Any]) -> None:
    """One that this build needs, at any depth."""
    for name in ("digest", "key", "to", "message"):
        data.pop(name, None)
    for part in data.values():
        for one in part if isinstance(part, list) else [part]:
            if isinstance(one, dict):
                lose_a_field(one)


def gain_a_value(data: dict[str, Any]) -> None:
    for name in ("status", "lifecycle", "kind", "message"):
        if name in data:
            data[name] = "blessed"


CHANGES = (gain_a_field, lose_a_field, gain_a_value)


async def rewritten(database: Database, table: str, column: str, thread: str, change: Change | None) -> None:
    """What a newer build would have written into the JSON of the thread's rows; without a change, no JSON at all."""
    key = "id" if table == "thread" else "thread_id"

    def work(connection: Connection) -> None:
        query = text(f"SELECT {column} FROM {table} WHERE {key} = :thread")  # noqa: S608 - a test's own names
        for written in connection.execute(query, {"thread": thread}).scalars().all():
            data = json.loads(written)
            if change is not None:
                change(data)
            new = json.dumps(data) if change is not None else "{"
            update = text(f"UPDATE {table} SET {column} = :new WHERE {key} = :thread AND {column} = :old")  # noqa: S608 - the same
            connection.execute(update, {"new": new, "old": written, "thread": thread})

    await database.transaction(work)


async def unreadable(database: Database, thread: str, how: str) -> None:
    """A log this build cannot read, with a state beside it that it cannot read either."""
    await database.transaction(lambda connection: connection.execute(text(how), {"thread": thread}))
    await rewritten(database, "thread", "state", thread, gain_a_field)


async def everything(database: Database) -> list[str]:
    """All lists there are, as the API shows them."""
    threads = await database.read(lambda connection: list_thread_states(connection, limit=100))
    requests = await database.read(
        lambda connection: list_requests(connection, status=None, thread_id=None, before=None, limit=100)
    )
    await database.read(list_pending)
    return [
        view.model_dump_json()
        for view in (*(thread_view(state, PEOPLE) for state in threads), *map(request_view, requests))
    ]


async def other_threads_go_on(harness: BotHarness) -> None:
    """A request is asked, answered and carried out."""
    thread = await harness.post_message("ship v1")
    await harness.answer_request(await harness.wait_for_request(thread), "approve")
    await harness.wait_until_settled(thread)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.mark.parametrize("change", [*CHANGES, None])
async def test_a_state_that_cannot_be_read_is_folded_again_from_its_log(
    database_url: str, running_bot, clock: FakeClock, change: Change | None
) -> None:
    async with running_bot(Database.open(database_url), ScriptedModel(SHIP), clock=clock) as harness:
        thread = await harness.post_message("ship v1")
        before = await harness.wait_until(thread, lambda s: s.open_request is not None and s.open_request.cards)
        await rewritten(harness.bot.engine.database, "thread", "state", thread, change)
    async with running_bot(Database.open(database_url), ScriptedModel(DONE), clock=clock, run="b") as harness:
        database = harness.bot.engine.database
        assert await harness.bot.engine.load(thread) == before
        assert len(await everything(database)) == 2
        assert (await replay(database, thread)).unreadable == "a row of a newer build"
        await harness.answer_request(await harness.wait_for_request(thread), "approve")
        await harness.wait_until_settled(thread)
        await harness.check_replay(thread)


@pytest.mark.parametrize("how", UNREADABLE_LOGS)
async def test_a_thread_whose_log_cannot_be_read_is_shown_as_paused_and_others_go_on(
    database_url: str, running_bot, clock: FakeClock, how: str
) -> None:
    async with running_bot(Database.open(database_url), ScriptedModel(SHIP), clock=clock) as harness:
        thread = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread)
        await unreadable(harness.bot.engine.database, thread, how)
        await rewritten(harness.bot.engine.database, "request", "data", thread, gain_a_field)
    async with running_bot(Database.open(database_url), ScriptedModel(SHIP, DONE), clock=clock, run="b") as harness:
        database = harness.bot.engine.database
        state = await harness.bot.engine.load(thread)
        shown = thread_view(state, PEOPLE)
        assert (state.thread_id, shown.status, shown.agent) == (thread, "paused", "helper")
        assert "this Handrail cannot read it" in (shown.paused or "")
        assert len(await everything(database)) == 2
        found = await replay(database, thread)
        assert (found.is_match, found.unreadable is not None, found.state.version) == (False, True, state.version)
        with pytest.raises(WrongState, match="cannot read"):
            await harness.answer_request(request, "approve")
        with pytest.raises(WrongState):
            await harness.bot.thread_control.resume(thread, Address("person:bob"))
        await other_threads_go_on(harness)


async def test_the_clock_reports_to_others_while_a_thread_that_is_due_cannot_be_read(
    database_url: str, running_bot, clock: FakeClock
) -> None:
    """Also to those that became due after it, and after many of its kind."""
    async with running_bot(Database.open(database_url), ScriptedModel(SHIP), clock=clock) as harness:
        broken = await harness.post_message("ship v1")
        await harness.wait_for_request(broken)
        await unreadable(harness.bot.engine.database, broken, UNKNOWN_EVENT)
        version = await harness.bot.engine.database.transaction(lambda c: load_uncached(c, broken).version)
    async with running_bot(Database.open(database_url), ScriptedModel(SHIP, DONE), clock=clock, run="b") as harness:
        clock.advance(seconds=1)
        thread = await harness.post_message("ship v1")
        await harness.wait_for_request(thread)
        clock.advance(minutes=30)
        await harness.wait_until_settled(thread)
        assert (await harness.event_types(thread)).count("RequestExpired") == 1
        assert await harness.bot.engine.database.transaction(lambda c: load_uncached(c, broken).version) == version


@pytest.mark.parametrize("change", [*CHANGES, None])
async def test_a_request_that_cannot_be_read_is_found_in_the_log_of_its_thread(
    database: Database, running_bot, change: Change | None
) -> None:
    async with running_bot(database, ScriptedModel(SHIP, DONE)) as harness:
        thread = await harness.post_message("ship v1")
        asked = await harness.wait_for_request(thread)
        await rewritten(database, "request", "data", thread, change)
        assert await harness.bot.approvals.find_request(asked.code) == asked
        assert len(await everything(database)) == 2
        await harness.answer_request(asked, "approve")
        await harness.wait_until_settled(thread)


@pytest.mark.parametrize("status", ["open", "blessed"])
async def test_a_request_that_cannot_be_found_anywhere_is_shown_and_decided_by_nobody(
    database: Database, running_bot, status: str
) -> None:
    async with running_bot(database, ScriptedModel(SHIP)) as harness:
        thread = await harness.post_message("ship v1")
        asked = await harness.wait_for_request(thread)
        await unreadable(database, thread, UNKNOWN_EVENT)
        await rewritten(database, "request", "data", thread, gain_a_field)
        update = text("UPDATE request SET status = :status")
        await database.transaction(lambda connection: connection.execute(update, {"status": status}))
        shown = request_view(await harness.bot.approvals.find_request(asked.code))
        assert (shown.code, shown.thread_id, shown.policy.ask.roles) == (asked.code, thread, ())
        assert "newer Handrail" in (shown.question or "")
        assert shown.status == ("open" if status == "open" else "superseded")


@pytest.mark.parametrize("change", [*CHANGES, None])
async def test_a_message_that_cannot_be_read_is_sent_as_the_log_wants_it(
    database_url: str, running_bot, clock: FakeClock, set_up: BotSetup, change: Change | None
) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_errors = [Unavailable("away", retry_after=30)]
    channels = {**channels_by_scheme(), "terminal": terminal}
    async with running_bot(Database.open(database_url), ScriptedModel(DONE), channels=channels, clock=clock) as harness:
        thread = await harness.post_message("hello")
        await harness.wait_for_error(terminal)
        await rewritten(harness.bot.engine.database, "outbox", "message", thread, change)
    async with running_bot(Database.open(database_url), channels=channels, clock=clock, run="b") as harness:
        clock.advance(seconds=30)
        await harness.wait_until_settled(thread)
    assert [message.text for _, message, _ in terminal.sent] == ["Done."]


async def test_a_message_of_a_thread_that_cannot_be_read_waits_and_holds_up_no_other(
    database: Database, running_bot
) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_errors = [Unavailable("away", retry_after=30)]
    channels = {**channels_by_scheme(), "terminal": terminal}
    async with running_bot(database, ScriptedModel(DONE), channels=channels) as harness:
        thread = await harness.post_message("hello")
        await harness.wait_for_error(terminal)
        await unreadable(database, thread, UNKNOWN_EVENT)
        await rewritten(database, "outbox", "message", thread, gain_a_field)
        assert await database.transaction(list_pending) == []
        assert await database.transaction(lambda c: list_pending_for(c, thread, Address("terminal:alice"))) == []
        left = await database.transaction(lambda c: c.execute(text("SELECT count(*) FROM outbox")).scalar_one())
        assert left == 1
