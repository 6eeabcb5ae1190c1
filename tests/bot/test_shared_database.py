"""Tests of two bots on one PostgreSQL database."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count

import pytest

from agents.core.errors import AlreadySettled, StoreUnavailable
from agents.core.messages import IncomingMessage, Provenance
from agents.core.steps import DoneForNow
from agents.core.values import Address, person_address
from bot.execution.embedded import EmbeddedBackend
from bot.services.engine import CommitResult
from bot.services.threads import NewThread
from storage.database.database import Database
from storage.event_store import list_thread_states
from storage.inbox import IdempotencyClaim
from tests.fakes.clock import FakeClock
from tests.fakes.postgres_proxy import postgres_proxy
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import BotHarness, running_bot
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS
from tests.harness.tools import ToolCallRecorder

SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")
ALICE, ALICE_TERMINAL = person_address("alice"), Address("terminal:alice")
ALL_THREADS = {"status": None, "agent": None, "before": None, "limit": 200}


class ShippingModel:
    """Model for both bots: it chooses `ship` until that tool has run, then it is done."""

    def __init__(self) -> None:
        self.call_count = 0

    async def complete(self, model_request, on_partial=None):
        self.call_count += 1
        return await ScriptedModel(SHIP if "did ship" not in model_request.prompt.user else DONE).complete(
            model_request
        )


@pytest.fixture
async def two_bots(postgres_url: str) -> AsyncIterator[tuple[BotHarness, BotHarness]]:
    clock, tool_call_recorder, model = FakeClock(), ToolCallRecorder(), ShippingModel()
    shared_options = {"clock": clock, "tool_call_recorder": tool_call_recorder, "has_job_queue": True}
    async with (
        running_bot(Database.open(postgres_url), model, id_prefix="a", **shared_options) as first,
        running_bot(Database.open(postgres_url), model, id_prefix="b", **shared_options) as second,
    ):
        yield first, second


def build_message(harness: BotHarness, text: str) -> IncomingMessage:
    return IncomingMessage(
        text=text, by=ALICE, source=ALICE_TERMINAL, provenance=Provenance.VERIFIED_PERSON, at=harness.clock.now()
    )


async def open_thread(harness: BotHarness, claim: IdempotencyClaim) -> CommitResult:
    new_thread = NewThread(message=build_message(harness, "ship v1"), requester=ALICE, origin=ALICE_TERMINAL)
    return await harness.bot.threads.open(
        new_thread, claim=claim, render_response=lambda commit: commit.after.thread_id
    )


async def test_concurrent_duplicates_open_one_thread_and_return_the_same_reply(two_bots) -> None:
    claim = IdempotencyClaim("terminal:alice", ("once",), fingerprint="f")
    commits = await asyncio.gather(*(open_thread(harness, claim) for harness in two_bots for _ in range(10)))
    (thread_id,) = {commit.duplicate_of.reply if commit.duplicate_of else commit.after.thread_id for commit in commits}
    assert sum(commit.duplicate_of is None for commit in commits) == 1
    threads = await two_bots[0].bot.engine.database.transaction(
        lambda connection: list_thread_states(connection, **ALL_THREADS)
    )
    assert [state.thread_id for state in threads] == [thread_id]
    assert (await two_bots[0].event_types(thread_id)).count("MessageReceived") == 1


async def test_concurrent_messages_are_all_recorded_in_one_order(two_bots) -> None:
    thread_id = (await open_thread(two_bots[0], IdempotencyClaim("terminal:alice", ("once",)))).after.thread_id
    await two_bots[0].wait_for_request(thread_id)
    texts = [f"by the way, {number}" for number in range(20)]
    await asyncio.gather(
        *(
            two_bots[n % 2].bot.threads.post_message(thread_id, build_message(two_bots[0], text))
            for n, text in enumerate(texts)
        )
    )
    received_texts = [event.text for event in await two_bots[1].events(thread_id) if event.type == "MessageReceived"]
    assert Counter(received_texts) == Counter(["ship v1", *texts])
    for harness in two_bots:
        await harness.check_replay(thread_id)
        assert (await harness.bot.engine.load(thread_id)).version == len(await harness.events(thread_id))


async def test_one_of_100_answers_to_two_bots_wins(two_bots) -> None:
    thread_id = (await open_thread(two_bots[0], IdempotencyClaim("terminal:alice", ("once",)))).after.thread_id
    request = await two_bots[0].wait_for_request(thread_id)
    attempts = [(harness, person_key) for person_key in ("bob", "carol") for harness in two_bots for _ in range(25)]
    results = await asyncio.gather(
        *(harness.answer_request(request, "approve", person_key=person_key) for harness, person_key in attempts),
        return_exceptions=True,
    )
    ((_, winner),) = [
        attempt for attempt, result in zip(attempts, results, strict=True) if not isinstance(result, AlreadySettled)
    ]
    assert (
        sum(
            isinstance(result, AlreadySettled) and f"by {winner.title()} (terminal)" in str(result)
            for result in results
        )
        == 99
    )
    await two_bots[1].wait_until_done(thread_id)
    assert [action for _, action in two_bots[0].tool_call_recorder.runs] == ["ship v1"]
    assert (await two_bots[1].event_types(thread_id)).count("RequestAnswered") == 1


async def test_retry_after_a_lost_commit_response_finds_the_commit(postgres_url: str) -> None:
    with postgres_proxy(postgres_url) as proxy:
        async with running_bot(Database.open(proxy.url), ScriptedModel(SHIP), has_job_queue=True) as harness:
            claim = IdempotencyClaim("terminal:alice", ("once",), fingerprint="f")
            proxy.lose_response_to_commit_containing("INSERT INTO inbox")
            with pytest.raises(StoreUnavailable):
                await open_thread(harness, claim)
            duplicate = await open_thread(harness, claim)
            assert duplicate.duplicate_of is not None
            await harness.wait_for_request(duplicate.duplicate_of.thread_id)


class BlockingRecorder(ToolCallRecorder):
    """Recorder in which each attempt blocks until it is released. More attempts than expected fail."""

    def __init__(self, attempts: int) -> None:
        super().__init__()
        self.has_started = [threading.Event() for _ in range(attempts)]
        self.may_end = [threading.Event() for _ in range(attempts)]
        self._numbers = count()

    def run(self, key: str, action: str):
        number = next(self._numbers)
        self.has_started[number].set()
        self.may_end[number].wait(WAIT_TIMEOUT_SECONDS)
        return super().run(key, f"{action} {number}")

    async def wait_until_started(self, number: int) -> None:
        assert await asyncio.to_thread(self.has_started[number].wait, WAIT_TIMEOUT_SECONDS)

    async def release(self, number: int) -> None:
        self.may_end[number].set()


async def wait_until_idle(harness: BotHarness) -> None:
    """Wait until the embedded worker of the bot has no tasks."""
    assert isinstance(harness.bot.backend, EmbeddedBackend)
    await asyncio.wait(harness.bot.backend.worker._tasks.values(), timeout=WAIT_TIMEOUT_SECONDS)
    assert not harness.bot.backend.worker._tasks


async def test_stalled_worker_does_not_overwrite_new_owner(postgres_url: str) -> None:
    """A worker that stalled during a tool continues after another worker has started the tool again."""
    tool_call_recorder = BlockingRecorder(attempts=2)
    model = ScriptedModel({"intent": "look"})
    async with running_bot(Database.open(postgres_url), model, tool_call_recorder=tool_call_recorder) as stalled:
        thread_id = await stalled.post_message("look")
        await tool_call_recorder.wait_until_started(0)
        async with running_bot(
            Database.open(postgres_url), ScriptedModel(DONE), tool_call_recorder=tool_call_recorder, id_prefix="b"
        ) as successor:
            await tool_call_recorder.wait_until_started(1)
            before = await successor.event_types(thread_id)
            await tool_call_recorder.release(0)
            await wait_until_idle(stalled)
            assert await successor.event_types(thread_id) == before
            await tool_call_recorder.release(1)
            await successor.wait_until_done(thread_id)
            types = await successor.event_types(thread_id)
            assert (types.count("ToolStarted"), types.count("ToolSucceeded")) == (2, 1)
            (outcome,) = [event for event in await successor.events(thread_id) if event.type == "ToolSucceeded"]
            assert outcome.summary == "did look 1"
            await successor.check_replay(thread_id)


async def test_stalled_worker_writes_nothing_after_the_thread_is_done(postgres_url: str) -> None:
    tool_call_recorder = BlockingRecorder(attempts=2)
    model = ScriptedModel({"intent": "look"})
    async with running_bot(Database.open(postgres_url), model, tool_call_recorder=tool_call_recorder) as stalled:
        thread_id = await stalled.post_message("look")
        await tool_call_recorder.wait_until_started(0)
        async with running_bot(
            Database.open(postgres_url), ScriptedModel(DONE), tool_call_recorder=tool_call_recorder, id_prefix="b"
        ) as successor:
            await tool_call_recorder.release(1)
            await successor.wait_until_done(thread_id)
            before = await successor.event_types(thread_id)
            await tool_call_recorder.release(0)
            await wait_until_idle(stalled)
            assert await successor.event_types(thread_id) == before
