"""Tests of rows that a newer version wrote: they are rebuilt from events, or shown as unreadable.

An older version meets such rows when it still runs during a deploy, and after a rollback.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, text

from agents.core.errors import Unavailable, WrongState
from agents.core.steps import DoneForNow
from agents.core.values import Address
from bot.api.response_models import request_view, thread_view
from storage.database.database import Database
from storage.event_store import list_thread_states, load_uncached
from storage.outbox import list_pending, list_pending_of_thread
from storage.replay import replay
from storage.requests import list_requests
from tests.bot.conftest import BotSetup, on_every_setup
from tests.fakes.clock import FakeClock
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import BotHarness, RecordingChannel
from tests.harness.channels import channels_by_scheme
from tests.harness.people import PEOPLE

SHIP, DONE = {"intent": "ship", "tag": "v1"}, DoneForNow(message="Done.")
Change = Callable[[dict[str, Any]], None]

SET_UNKNOWN_TYPE = "UPDATE event SET type = 'ThreadBlessed' WHERE thread_id = :thread AND seq = 2"
SET_NEWER_VERSION = "UPDATE event SET v = 99 WHERE thread_id = :thread AND seq = 2"
SET_INVALID_ACTOR = (
    "UPDATE event SET type = 'ThreadBlessed', actor = 'Not An Address' WHERE thread_id = :thread AND seq = 2"
)
SET_UNKNOWN_FIRST_TYPE = "UPDATE event SET type = 'ThreadBegun' WHERE thread_id = :thread AND seq = 1"
SET_INVALID_DATA = "UPDATE event SET data = '[]' WHERE thread_id = :thread AND seq = 2"
UNREADABLE_EVENT_UPDATES = (
    SET_UNKNOWN_TYPE,
    SET_NEWER_VERSION,
    SET_INVALID_ACTOR,
    SET_UNKNOWN_FIRST_TYPE,
    SET_INVALID_DATA,
)


def add_unknown_field(data: dict[str, Any]) -> None:
    data["blessed"] = {"by": "a newer build"}


def remove_fields(data: dict[str, Any]) -> None:
    """Remove fields that this version needs, at any depth."""
    for name in ("digest", "key", "to", "message"):
        data.pop(name, None)
    for part in data.values():
        for item in part if isinstance(part, list) else [part]:
            if isinstance(item, dict):
                remove_fields(item)


def set_unknown_values(data: dict[str, Any]) -> None:
    for name in ("status", "lifecycle", "kind", "message"):
        if name in data:
            data[name] = "blessed"


CHANGES = (add_unknown_field, remove_fields, set_unknown_values)


async def rewrite_json(database: Database, table: str, column: str, thread_id: str, change: Change | None) -> None:
    """Apply the change to the JSON of the thread's rows in a table; without a change, make it invalid JSON."""
    key = "id" if table == "thread" else "thread_id"

    def work(connection: Connection) -> None:
        query = text(f"SELECT {column} FROM {table} WHERE {key} = :thread")  # noqa: S608 - constant names
        for old in connection.execute(query, {"thread": thread_id}).scalars().all():
            data = json.loads(old)
            if change is not None:
                change(data)
            new = json.dumps(data) if change is not None else "{"
            update = text(f"UPDATE {table} SET {column} = :new WHERE {key} = :thread AND {column} = :old")  # noqa: S608 - the same
            connection.execute(update, {"new": new, "old": old, "thread": thread_id})

    await database.transaction(work)


async def make_unreadable(database: Database, thread_id: str, update: str) -> None:
    """Make the events of a thread unreadable by an SQL update, and its stored state too."""
    await database.transaction(lambda connection: connection.execute(text(update), {"thread": thread_id}))
    await rewrite_json(database, "thread", "state", thread_id, add_unknown_field)


async def read_all_views(database: Database) -> list[str]:
    """Return all threads and requests as the API shows them."""
    threads = await database.read(lambda connection: list_thread_states(connection, limit=100))
    requests = await database.read(
        lambda connection: list_requests(connection, status=None, thread_id=None, before=None, limit=100)
    )
    await database.read(list_pending)
    return [
        view.model_dump_json()
        for view in (*(thread_view(state, PEOPLE) for state in threads), *map(request_view, requests))
    ]


async def check_other_threads_work(harness: BotHarness) -> None:
    """Check that a request in another thread can be approved and its call runs."""
    thread_id = await harness.post_message("ship v1")
    await harness.answer_request(await harness.wait_for_request(thread_id), "approve")
    await harness.wait_until_done(thread_id)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.mark.parametrize("change", [*CHANGES, None])
async def test_unreadable_state_is_replayed_from_events(
    database_url: str, running_bot, clock: FakeClock, change: Change | None
) -> None:
    async with running_bot(Database.open(database_url), ScriptedModel(SHIP), clock=clock) as harness:
        thread_id = await harness.post_message("ship v1")
        before = await harness.wait_until(
            thread_id, lambda state: state.open_request is not None and state.open_request.cards
        )
        await rewrite_json(harness.bot.engine.database, "thread", "state", thread_id, change)
    async with running_bot(Database.open(database_url), ScriptedModel(DONE), clock=clock, id_prefix="b") as harness:
        database = harness.bot.engine.database
        assert await harness.bot.engine.load(thread_id) == before
        assert len(await read_all_views(database)) == 2
        assert (await replay(database, thread_id)).unreadable == "a row of a newer build"
        await harness.answer_request(await harness.wait_for_request(thread_id), "approve")
        await harness.wait_until_done(thread_id)
        await harness.check_replay(thread_id)


@pytest.mark.parametrize("update", UNREADABLE_EVENT_UPDATES)
async def test_thread_with_unreadable_events_is_shown_as_paused(
    database_url: str, running_bot, clock: FakeClock, update: str
) -> None:
    async with running_bot(Database.open(database_url), ScriptedModel(SHIP), clock=clock) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        await make_unreadable(harness.bot.engine.database, thread_id, update)
        await rewrite_json(harness.bot.engine.database, "request", "data", thread_id, add_unknown_field)
    async with running_bot(
        Database.open(database_url), ScriptedModel(SHIP, DONE), clock=clock, id_prefix="b"
    ) as harness:
        database = harness.bot.engine.database
        state = await harness.bot.engine.load(thread_id)
        view = thread_view(state, PEOPLE)
        assert (state.thread_id, view.status, view.agent) == (thread_id, "paused", "helper")
        assert "this Handrail cannot read it" in (view.paused or "")
        assert len(await read_all_views(database)) == 2
        result = await replay(database, thread_id)
        assert (result.is_match, result.unreadable is not None, result.state.version) == (False, True, state.version)
        with pytest.raises(WrongState, match="cannot read"):
            await harness.answer_request(request, "approve")
        with pytest.raises(WrongState):
            await harness.bot.thread_control.resume(thread_id, Address("person:bob"))
        await check_other_threads_work(harness)


@on_every_setup
async def test_unreadable_thread_does_not_block_timers_of_others(
    database_url: str, running_bot, clock: FakeClock
) -> None:
    """The other thread became due after the unreadable one."""
    async with running_bot(Database.open(database_url), ScriptedModel(SHIP), clock=clock) as harness:
        broken = await harness.post_message("ship v1")
        await harness.wait_for_request(broken)
        await make_unreadable(harness.bot.engine.database, broken, SET_UNKNOWN_TYPE)
        version = await harness.bot.engine.database.transaction(
            lambda connection: load_uncached(connection, broken).version
        )
    async with running_bot(
        Database.open(database_url), ScriptedModel(SHIP, DONE), clock=clock, id_prefix="b"
    ) as harness:
        clock.advance(seconds=1)
        thread_id = await harness.post_message("ship v1")
        await harness.wait_for_request(thread_id)
        clock.advance(minutes=30)
        await harness.wait_until_done(thread_id)
        assert (await harness.event_types(thread_id)).count("RequestExpired") == 1
        assert (
            await harness.bot.engine.database.transaction(lambda connection: load_uncached(connection, broken).version)
            == version
        )


@pytest.mark.parametrize("change", [*CHANGES, None])
async def test_unreadable_request_is_read_from_events(database: Database, running_bot, change: Change | None) -> None:
    async with running_bot(database, ScriptedModel(SHIP, DONE)) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        await rewrite_json(database, "request", "data", thread_id, change)
        assert await harness.bot.approvals.find_request(request.code) == request
        assert len(await read_all_views(database)) == 2
        await harness.answer_request(request, "approve")
        await harness.wait_until_done(thread_id)


@pytest.mark.parametrize("status", ["open", "blessed"])
async def test_unreadable_request_is_shown_without_approvers(database: Database, running_bot, status: str) -> None:
    async with running_bot(database, ScriptedModel(SHIP)) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        await make_unreadable(database, thread_id, SET_UNKNOWN_TYPE)
        await rewrite_json(database, "request", "data", thread_id, add_unknown_field)
        update = text("UPDATE request SET status = :status")
        await database.transaction(lambda connection: connection.execute(update, {"status": status}))
        view = request_view(await harness.bot.approvals.find_request(request.code))
        assert (view.code, view.thread_id, view.policy.ask.roles) == (request.code, thread_id, ())
        assert "newer Handrail" in (view.question or "")
        assert view.status == ("open" if status == "open" else "superseded")


@pytest.mark.parametrize("change", [*CHANGES, None])
async def test_unreadable_outbox_message_is_rebuilt_from_events(
    database_url: str, running_bot, clock: FakeClock, bot_setup: BotSetup, change: Change | None
) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_errors = [Unavailable("away", retry_after=30)]
    channels = {**channels_by_scheme(), "terminal": terminal}
    async with running_bot(Database.open(database_url), ScriptedModel(DONE), channels=channels, clock=clock) as harness:
        thread_id = await harness.post_message("hello")
        await harness.wait_for_error(terminal)
        await rewrite_json(harness.bot.engine.database, "outbox", "message", thread_id, change)
    async with running_bot(Database.open(database_url), channels=channels, clock=clock, id_prefix="b") as harness:
        clock.advance(seconds=30)
        await harness.wait_until_done(thread_id)
    assert [message.text for _, message, _ in terminal.sent] == ["Done."]


@on_every_setup
async def test_message_of_an_unreadable_thread_stays_in_the_outbox(database: Database, running_bot) -> None:
    terminal = RecordingChannel("terminal")
    terminal.planned_errors = [Unavailable("away", retry_after=30)]
    channels = {**channels_by_scheme(), "terminal": terminal}
    async with running_bot(database, ScriptedModel(DONE), channels=channels) as harness:
        thread_id = await harness.post_message("hello")
        await harness.wait_for_error(terminal)
        await make_unreadable(database, thread_id, SET_UNKNOWN_TYPE)
        await rewrite_json(database, "outbox", "message", thread_id, add_unknown_field)
        assert await database.transaction(list_pending) == []
        assert (
            await database.transaction(
                lambda connection: list_pending_of_thread(connection, thread_id, Address("terminal:alice"))
            )
            == []
        )
        remaining = await database.transaction(
            lambda connection: connection.execute(text("SELECT count(*) FROM outbox")).scalar_one()
        )
        assert remaining == 1
