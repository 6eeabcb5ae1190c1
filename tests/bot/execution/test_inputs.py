"""Stored inputs: processed at least once, in order per group, with an effect and a reply that happen once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from agents.core.errors import InvalidInput, StoreUnavailable, Unavailable
from agents.core.people import People
from agents.core.steps import DoneForNow
from agents.core.values import Address
from bot.delivery.budgets import SendBudgets
from bot.execution.backend import INPUT_RETENTION, QUARANTINE_RETENTION, delete_expired_rows
from bot.execution.inputs import InputRunner
from bot.services.contacts import ContactService
from bot.services.delivery_reports import DeliveryReports
from bot.services.engine import Engine
from bot.services.ids import Clock
from bot.services.inputs import MAX_UNFINISHED_ATTEMPTS, RETRY_PERIOD, InputService
from bot.services.retry import Repeater
from channels.base import Plugin, Runtime
from channels.inbound import Arrival, InboundMessage, Sender
from channels.stored_input import InputReply, InputResult, RawInput, StoredInput
from storage.database.database import Database
from storage.event_store import ThreadStore
from storage.raw_inputs import InputGroup, load_quarantine
from tests.bot.conftest import on_every_setup
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import BotHarness, RecordingChannel
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

WARD = Address("pager:ward7")
Process = Callable[[StoredInput, Runtime], Awaitable[InputResult]]


async def succeed(stored: StoredInput, runtime: Runtime) -> InputResult:
    return InputResult("processed")


@dataclass
class Pager:
    """Channel with stored inputs. `behavior` maps the key of an input to its processing; others succeed."""

    behavior: dict[str, Process] = field(default_factory=dict)
    channel: RecordingChannel = field(default_factory=lambda: RecordingChannel("pager"))
    calls: list[StoredInput] = field(default_factory=list)

    @property
    def plugins(self) -> Mapping[str, Plugin]:
        return {"pager": Plugin(self.channel, process_input=self._process)}

    @property
    def keys(self) -> list[str]:
        return [stored.raw.key for stored in self.calls]

    async def _process(self, stored: StoredInput, runtime: Runtime) -> InputResult:
        self.calls.append(stored)
        return await self.behavior.get(stored.raw.key, succeed)(stored, runtime)


def fail_with(*errors: Exception) -> Process:
    """Return a processing that raises the errors, one in each attempt, and then succeeds."""
    remaining = list(errors)

    async def process(stored: StoredInput, runtime: Runtime) -> InputResult:
        if remaining:
            raise remaining.pop(0)
        return InputResult("processed")

    return process


def reply_with(limit_key: str) -> Process:
    async def process(stored: StoredInput, runtime: Runtime) -> InputResult:
        return InputResult("processed", reply=InputReply(WARD, f"Got {stored.raw.key}.", limit_key))

    return process


async def store(harness: BotHarness, key: str, *, group: str = "ward7", seconds_ago: float = 0) -> bool:
    received_at = harness.clock.now() - timedelta(seconds=seconds_ago)
    raw_input = RawInput("pager", key, group, received_at, {"from": "ward\udc80\0"}, b"\x00\xff" + key.encode())
    return await harness.bot.receiver.store_input(raw_input)


async def read_rows(database: Database) -> dict[str, Any]:
    query = text("SELECT key, state, reason, attempts, reply_state FROM raw_input")
    rows = await database.read(lambda connection: connection.execute(query).all())
    return {row.key: row for row in rows}


async def wait_for(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait until a condition on the database is true."""
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while not await condition():
            event = asyncio.Event()
            asyncio.get_running_loop().call_later(0.01, event.set)
            await event.wait()


async def wait_for_states(database: Database, **expected: str) -> None:
    async def have_states() -> bool:
        rows = await read_rows(database)
        return all(key in rows and rows[key].state == state for key, state in expected.items())

    await wait_for(have_states)


async def wait_for_reply(database: Database, key: str, state: str) -> None:
    async def has_state() -> bool:
        return bool((await read_rows(database))[key].reply_state == state)

    await wait_for(has_state)


async def advance_until_called(harness: BotHarness, pager: Pager, count: int, **amount: float) -> None:
    """Advance the clock once the input waits, and wait until it was processed `count` times."""
    query = text("SELECT count(*) FROM raw_input WHERE state = 'stored' AND next_attempt_at IS NOT NULL")

    async def is_waiting() -> bool:
        return bool(await harness.bot.engine.database.read(lambda connection: connection.execute(query).scalar()))

    async def is_called() -> bool:
        return len(pager.calls) >= count

    await wait_for(is_waiting)
    harness.clock.advance(**amount)
    await wait_for(is_called)


@on_every_setup
async def test_stored_input_is_processed_once_with_its_content(database: Database, running_bot) -> None:
    pager = Pager()
    async with running_bot(database, plugins=pager.plugins) as harness:
        assert [await store(harness, "one") for _ in range(2)] == [True, False]
        await wait_for_states(database, one="processed")
        assert await store(harness, "one") is False
    (call,) = pager.calls
    assert (call.raw.content, call.raw.metadata) == (b"\x00\xffone", {"from": "ward\udc80\0"})
    assert (call.raw.received_at, call.attempt, call.recent_count) == (harness.clock.now(), 1, 1)


@on_every_setup
async def test_inputs_of_a_group_are_processed_oldest_first(database: Database, running_bot) -> None:
    async def wait_for_others(stored: StoredInput, runtime: Runtime) -> InputResult:
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            await are_stored.wait()
        return InputResult("processed")

    are_stored, pager = asyncio.Event(), Pager({"first": wait_for_others})
    async with running_bot(database, plugins=pager.plugins) as harness:
        for key, age in (("first", 4), ("late", 1), ("early", 3), ("middle", 2)):
            await store(harness, key, seconds_ago=age)
        are_stored.set()
        await wait_for_states(database, late="processed", early="processed", middle="processed")
    assert pager.keys == ["first", "early", "middle", "late"]
    assert [call.recent_count for call in pager.calls] == [1, 2, 3, 4]


@on_every_setup
async def test_input_that_waits_holds_up_only_its_group(database: Database, running_bot) -> None:
    pager = Pager({"one": fail_with(Unavailable("no DNS"), Unavailable("no DNS"))})
    async with running_bot(database, plugins=pager.plugins) as harness:
        await store(harness, "one", seconds_ago=1)
        await store(harness, "two")
        await store(harness, "other", group="ward8")
        await wait_for_states(database, other="processed", one="stored", two="stored")
        await advance_until_called(harness, pager, 3, seconds=1)
        assert (await read_rows(database))["two"].attempts == 0
        await advance_until_called(harness, pager, 4, seconds=2)
        await wait_for_states(database, one="processed", two="processed")
    assert [key for key in pager.keys if key != "other"] == ["one", "one", "one", "two"]
    assert [call.attempt for call in pager.calls if call.raw.key == "one"] == [1, 2, 3]


async def test_temporary_errors_for_a_day_quarantine_an_input(database: Database, running_bot) -> None:
    pager = Pager({"one": fail_with(*(Unavailable("no DNS") for _ in range(9)))})
    async with running_bot(database, plugins=pager.plugins) as harness:
        await store(harness, "one")
        await advance_until_called(harness, pager, 2, seconds=RETRY_PERIOD.total_seconds())
        await wait_for_states(database, one="quarantined")
        assert (await read_rows(database))["one"].reason == "temporary errors for 24 hours"


async def test_hinted_delay_of_a_temporary_error_is_kept(database: Database, running_bot) -> None:
    pager = Pager({"one": fail_with(Unavailable("busy", retry_after=100))})
    async with running_bot(database, plugins=pager.plugins) as harness:
        await store(harness, "one")
        await advance_until_called(harness, pager, 1, seconds=99)
        assert pager.keys == ["one"]
        await advance_until_called(harness, pager, 2, seconds=1)
        await wait_for_states(database, one="processed")


@on_every_setup
async def test_input_that_ended_its_process_five_times_is_quarantined(database: Database, running_bot) -> None:
    async with running_bot(database, plugins={}, id_prefix="a") as harness:
        harness.bot.input_runner.inputs.listeners.clear()
        await harness.bot.backend.stop(grace_seconds=0)
        await store(harness, "one", seconds_ago=1)
        await store(harness, "two")
        for _ in range(MAX_UNFINISHED_ATTEMPTS):
            await harness.bot.input_runner.inputs.claim_next(InputGroup("pager", "ward7"))
    pager, again = Pager(), Database.open(database.url)
    async with running_bot(again, plugins=pager.plugins, id_prefix="b", clock=harness.clock):
        await wait_for_states(again, one="quarantined", two="processed")
        (quarantined,) = (await again.read(load_quarantine)).newest
    assert pager.keys == ["two"]
    assert quarantined.reason == "processing ended without a result 5 times"


async def test_unexpected_error_five_times_quarantines_an_input(database: Database, running_bot) -> None:
    pager = Pager({"one": fail_with(*(ZeroDivisionError() for _ in range(9)))})
    async with running_bot(database, plugins=pager.plugins) as harness:
        await store(harness, "one")
        for count in range(2, MAX_UNFINISHED_ATTEMPTS + 1):
            await advance_until_called(harness, pager, count, seconds=60)
        harness.clock.advance(seconds=60)
        await wait_for_states(database, one="quarantined")
    assert len(pager.calls) == MAX_UNFINISHED_ATTEMPTS


async def test_temporary_error_ends_the_count_of_unexpected_ones(database: Database, running_bot) -> None:
    errors = [*(ZeroDivisionError() for _ in range(4)), Unavailable("no DNS"), *(ZeroDivisionError() for _ in range(4))]
    pager = Pager({"one": fail_with(*errors)})
    async with running_bot(database, plugins=pager.plugins) as harness:
        await store(harness, "one")
        for count in range(2, len(errors) + 2):
            await advance_until_called(harness, pager, count, seconds=900)
        await wait_for_states(database, one="processed")


@dataclass
class FailingDatabase:
    """Database whose commits fail where `is_available` has False."""

    wrapped: Database
    is_available: list[bool]

    async def transaction(self, function: Any, on_commit: Any = None) -> Any:
        if self.is_available and not self.is_available.pop(0):
            raise StoreUnavailable
        return await self.wrapped.transaction(function, on_commit)

    async def read(self, function: Any) -> Any:
        return await self.wrapped.read(function)


def budgets_of(database: Any) -> SendBudgets:
    """Return the budgets of channels that have none."""
    reports = DeliveryReports(Engine(database, ThreadStore(), {}), Clock(), People())
    return SendBudgets(ContactService(database, reports, Clock()), Clock().now)


@pytest.mark.parametrize("error", [None, Unavailable("no DNS")], ids=["result", "error"])
async def test_database_that_is_away_does_not_count_as_a_crash(database: Database, error: Exception | None) -> None:
    pager, waits = Pager({"one": fail_with(*filter(None, [error]))}), list[datetime | None]()

    async def record_wait(at: datetime | None, wake_event: asyncio.Event) -> None:
        waits.append(at)

    failing = FailingDatabase(database, [True, True, *[False] * 9])
    inputs = InputService(failing)  # type: ignore[arg-type]  # it has the part of the database that is used
    runner = InputRunner(inputs, {}, Repeater(Clock(), record_wait), budgets_of(failing))
    runner.processors["pager"] = lambda stored: pager.plugins["pager"].process_input(stored, None)
    await inputs.store(RawInput("pager", "one", "ward7", datetime.now(UTC), {}, b""))
    await runner.process_group(InputGroup("pager", "ward7"), asyncio.Event())
    assert (pager.keys, len(waits)) == (["one"], 9)
    assert (await read_rows(database))["one"].state == ("processed" if error is None else "stored")


async def test_reply_is_sent_once_while_its_recording_fails(database: Database) -> None:
    async def wait(at: datetime | None, wake_event: asyncio.Event) -> None:
        pass

    pager = Pager({"one": reply_with("x")})
    failing = FailingDatabase(database, [*[True] * 4, False, False])
    inputs = InputService(failing)  # type: ignore[arg-type]  # as above
    runner = InputRunner(inputs, {"pager": pager.channel}, Repeater(Clock(), wait), budgets_of(failing))
    runner.processors["pager"] = lambda stored: pager.plugins["pager"].process_input(stored, None)
    await inputs.store(RawInput("pager", "one", "ward7", datetime.now(UTC), {}, b""))
    await runner.process_group(InputGroup("pager", "ward7"), asyncio.Event())
    (input_id,) = [stored.id for stored in pager.calls]
    await runner.send_reply(input_id, asyncio.Event(), may_have_been_sent=False)
    assert (len(pager.channel.sent), (await read_rows(database))["one"].reply_state) == (1, "sent")


async def test_permanent_error_quarantines_an_input_at_once(database: Database, running_bot) -> None:
    pager = Pager({"one": fail_with(InvalidInput("it has 3,000 parts"))})
    async with running_bot(database, plugins=pager.plugins) as harness:
        await store(harness, "one")
        await wait_for_states(database, one="quarantined")
        assert (await read_rows(database))["one"].reason == "invalid"


@on_every_setup
async def test_message_of_a_repeated_attempt_is_posted_once(database: Database, running_bot) -> None:
    async def post_and_fail(stored: StoredInput, runtime: Runtime) -> InputResult:
        arrival = Arrival("pager", (f"page:{stored.raw.key}",), Sender((WARD,)), WARD, runtime.now())
        outcomes.append((await runtime.receiver.post_message(InboundMessage(arrival, "hello"))).outcome)
        if stored.attempt == 1:
            raise Unavailable("gone")
        return InputResult("processed")

    outcomes: list[str] = []
    pager = Pager({"one": post_and_fail})
    async with running_bot(database, ScriptedModel(DoneForNow(message="Hi.")), plugins=pager.plugins) as harness:
        await store(harness, "one")
        await advance_until_called(harness, pager, 2, seconds=2)
        await wait_for_states(database, one="processed")
        (thread_id,) = {commit.after.thread_id for commit in harness.commits}
        await harness.wait_until_done(thread_id)
        assert (await harness.event_types(thread_id)).count("MessageReceived") == 1
    assert outcomes == ["opened", "duplicate"]


@on_every_setup
async def test_reply_is_sent_once_per_limit_key(database: Database, running_bot) -> None:
    keys = ("one", "two", "three")
    pager = Pager(dict(zip(keys, map(reply_with, ("day 1", "day 1", "day 2\0")), strict=True)))
    async with running_bot(database, plugins=pager.plugins) as harness:
        for age, key in zip((3, 2, 1), keys, strict=True):
            await store(harness, key, seconds_ago=age)
        await wait_for_states(database, one="processed", two="processed", three="processed")
        await wait_for_reply(database, "one", "sent")
        await wait_for_reply(database, "three", "sent")
        assert (await read_rows(database))["two"].reply_state == "dropped"
    assert sorted(message.text for _, message, _ in pager.channel.sent) == ["Got one.", "Got three."]


@on_every_setup
async def test_reply_is_tried_again_without_holding_up_its_group(database: Database, running_bot) -> None:
    pager = Pager({"one": reply_with("x")})
    pager.channel.planned_errors = [Unavailable("relay is down")]
    async with running_bot(database, plugins=pager.plugins) as harness:
        await store(harness, "one", seconds_ago=1)
        await store(harness, "two")
        await wait_for_states(database, one="processed", two="processed")
        await harness.wait_for_error(pager.channel)
        harness.clock.advance(seconds=5)
        await wait_for_reply(database, "one", "sent")
    assert pager.channel.may_have_been_sent_flags == [False, True]


async def test_reply_that_cannot_be_delivered_is_given_up(database: Database, running_bot) -> None:
    pager = Pager({"one": reply_with("x")})
    pager.channel.planned_errors = [InvalidInput("no such pager")]
    async with running_bot(database, plugins=pager.plugins) as harness:
        await store(harness, "one")
        await wait_for_states(database, one="processed")
        await wait_for_reply(database, "one", "undeliverable")


@on_every_setup
async def test_next_process_continues_what_a_stopped_one_left(database: Database, running_bot) -> None:
    async def hang(stored: StoredInput, runtime: Runtime) -> InputResult:
        if stored.attempt > 1:
            return await reply_with("x")(stored, runtime)
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    started = asyncio.Event()
    pager = Pager({"one": hang})
    async with running_bot(database, plugins=pager.plugins, id_prefix="a") as harness:
        await store(harness, "one")
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            await started.wait()
        await harness.bot.backend.stop(grace_seconds=0)
    again = Database.open(database.url)
    async with running_bot(again, plugins=pager.plugins, id_prefix="b", clock=harness.clock):
        await wait_for_states(again, one="processed")
        await wait_for_reply(again, "one", "sent")
    assert [call.attempt for call in pager.calls] == [1, 2]


async def test_pending_reply_of_an_earlier_process_may_have_been_sent(database: Database, running_bot) -> None:
    pager = Pager({"one": reply_with("x")})
    pager.channel.planned_errors = [Unavailable("relay is down")]
    async with running_bot(database, plugins=pager.plugins, id_prefix="a") as harness:
        await store(harness, "one")
        await harness.wait_for_error(pager.channel)
    harness.clock.advance(seconds=5)
    again = Database.open(database.url)
    async with running_bot(again, plugins=pager.plugins, id_prefix="b", clock=harness.clock):
        await wait_for_reply(again, "one", "sent")
    assert pager.channel.may_have_been_sent_flags == [False, True]


@on_every_setup
async def test_cleanup_keeps_unprocessed_inputs_and_pending_replies(database: Database, running_bot) -> None:
    bad = fail_with(InvalidInput("bad"))
    pager = Pager({"bad": bad, "replied": reply_with("x"), "waiting": fail_with(*[Unavailable("no DNS")] * 9)})
    pager.channel.planned_errors = [Unavailable("relay is down")]
    async with running_bot(database, plugins=pager.plugins) as harness:
        for key in ("good", "bad", "replied", "waiting"):
            await store(harness, key, group=key)
        await wait_for_states(database, good="processed", bad="quarantined", replied="processed", waiting="stored")
        await harness.wait_for_error(pager.channel)
        await harness.bot.backend.stop(grace_seconds=5)
        await delete_expired_rows(database, harness.clock.now() + INPUT_RETENTION)
        assert set(await read_rows(database)) == {"good", "bad", "replied", "waiting"}
        await delete_expired_rows(database, harness.clock.now() + INPUT_RETENTION + timedelta(seconds=1))
        assert set(await read_rows(database)) == {"bad", "replied", "waiting"}
        await delete_expired_rows(database, harness.clock.now() + QUARANTINE_RETENTION + timedelta(seconds=1))
        assert set(await read_rows(database)) == {"replied", "waiting"}


@pytest.mark.parametrize("group", ["x" * 70_000, "ward\udc80\0"], ids=["long", "unstorable"])
@on_every_setup
async def test_group_of_any_name_is_processed(database: Database, running_bot, group: str) -> None:
    pager = Pager()
    async with running_bot(database, plugins=pager.plugins) as harness:
        assert await store(harness, "one", group=group)
        await wait_for_states(database, one="processed")
