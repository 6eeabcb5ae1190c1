"""Two processes on one database: whoever comes second finds what the first one did."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count

import pytest

from agents.addresses import Address, person_address
from agents.errors import AlreadySettled, StoreUnavailable
from agents.messages import IncomingMessage, Provenance
from agents.steps import DoneForNow
from bot.embedded_backend import EmbeddedBackend
from bot.engine import CommitResult
from bot.thread_service import NewThread
from storage.database import Database
from storage.event_store import list_thread_states
from storage.inbox import IdempotencyClaim
from tests.bot_harness import WAIT_TIMEOUT_SECONDS, BotHarness, RecordingTools, running_bot
from tests.fakes.clock import FakeClock
from tests.fakes.postgres_proxy import postgres_proxy
from tests.fakes.scripted_model import ScriptedModel

SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")
ALICE, TERMINAL = person_address("alice"), Address("terminal:alice")
OLDEST_FIRST = {"status": None, "agent": None, "before": None, "limit": 200}


class Model:
    """Ships what it is told to ship, in whichever process it is asked."""

    def __init__(self) -> None:
        self.turns = 0

    async def complete(self, model_request, on_partial=None):
        self.turns += 1
        return await ScriptedModel(SHIP if "did ship" not in model_request.prompt.user else DONE).complete(
            model_request
        )


@pytest.fixture
async def two_bots(postgres_url: str) -> AsyncIterator[tuple[BotHarness, BotHarness]]:
    clock, recording_tools, model = FakeClock(), RecordingTools(), Model()
    common = {"clock": clock, "recording_tools": recording_tools, "has_job_queue": True}
    async with (
        running_bot(Database.open(postgres_url), model, run="a", **common) as first,
        running_bot(Database.open(postgres_url), model, run="b", **common) as second,
    ):
        yield first, second


def heard(harness: BotHarness, text: str) -> IncomingMessage:
    return IncomingMessage(
        text=text, by=ALICE, source=TERMINAL, provenance=Provenance.VERIFIED_PERSON, at=harness.clock.now()
    )


async def opens(harness: BotHarness, claim: IdempotencyClaim) -> CommitResult:
    opening = NewThread(message=heard(harness, "ship v1"), requester=ALICE, origin=TERMINAL)
    return await harness.bot.threads.open(
        opening, claim=claim, render_response=lambda recorded: recorded.after.thread_id
    )


async def test_what_comes_in_twice_at_the_same_time_is_one_thread_and_the_loser_finds_the_first_reply(two_bots) -> None:
    claim = IdempotencyClaim("terminal:alice", ("once",), fingerprint="f")
    arrivals = await asyncio.gather(*(opens(harness, claim) for harness in two_bots for _ in range(10)))
    (thread,) = {r.duplicate_of.reply if r.duplicate_of else r.after.thread_id for r in arrivals}
    assert sum(r.duplicate_of is None for r in arrivals) == 1
    threads = await two_bots[0].bot.engine.database.transaction(
        lambda connection: list_thread_states(connection, **OLDEST_FIRST)
    )
    assert [state.thread_id for state in threads] == [thread]
    assert (await two_bots[0].event_types(thread)).count("MessageReceived") == 1


async def test_what_is_said_in_one_thread_at_the_same_time_is_all_kept_in_one_order(two_bots) -> None:
    thread = (await opens(two_bots[0], IdempotencyClaim("terminal:alice", ("once",)))).after.thread_id
    await two_bots[0].wait_for_request(thread)
    words = [f"by the way, {number}" for number in range(20)]
    await asyncio.gather(
        *(two_bots[n % 2].bot.threads.post_message(thread, heard(two_bots[0], text)) for n, text in enumerate(words))
    )
    told = [event.text for event in await two_bots[1].events(thread) if event.type == "MessageReceived"]
    assert Counter(told) == Counter(["ship v1", *words])
    for harness in two_bots:
        await harness.check_replay(thread)
        assert (await harness.bot.engine.load(thread)).version == len(await harness.events(thread))


async def test_of_a_hundred_answers_to_two_processes_one_decides_and_the_others_are_told_who_did(two_bots) -> None:
    thread = (await opens(two_bots[0], IdempotencyClaim("terminal:alice", ("once",)))).after.thread_id
    request = await two_bots[0].wait_for_request(thread)
    tried = [(harness, who) for who in ("bob", "carol") for harness in two_bots for _ in range(25)]
    ends = await asyncio.gather(
        *(harness.answer_request(request, "approve", person_key=who) for harness, who in tried), return_exceptions=True
    )
    ((_, winner),) = [one for one, end in zip(tried, ends, strict=True) if not isinstance(end, AlreadySettled)]
    assert sum(isinstance(end, AlreadySettled) and f"by {winner.title()} (terminal)" in str(end) for end in ends) == 99
    await two_bots[1].wait_until_settled(thread)
    assert [what for _, what in two_bots[0].recording_tools.runs] == ["ship v1"]
    assert (await two_bots[1].event_types(thread)).count("RequestAnswered") == 1


async def test_what_was_kept_though_nobody_heard_of_it_is_found_when_it_is_sent_again(postgres_url: str) -> None:
    with postgres_proxy(postgres_url) as wired:
        async with running_bot(Database.open(wired.url), ScriptedModel(SHIP), has_job_queue=True) as harness:
            claim = IdempotencyClaim("terminal:alice", ("once",), fingerprint="f")
            wired.lose_commit_containing("INSERT INTO inbox")
            with pytest.raises(StoreUnavailable):
                await opens(harness, claim)
            again = await opens(harness, claim)
            assert again.duplicate_of is not None
            await harness.wait_for_request(again.duplicate_of.thread_id)


class BlockingTools(RecordingTools):
    """A workshop in which each attempt waits for its turn to end; whoever comes later than expected is refused."""

    def __init__(self, attempts: int) -> None:
        super().__init__()
        self.started = [threading.Event() for _ in range(attempts)]
        self.may_end = [threading.Event() for _ in range(attempts)]
        self._numbers = count()

    def run(self, key: str, action: str):
        number = next(self._numbers)
        self.started[number].set()
        self.may_end[number].wait(WAIT_TIMEOUT_SECONDS)
        return super().run(key, f"{action} {number}")

    async def until_begun(self, number: int) -> None:
        assert await asyncio.to_thread(self.started[number].wait, WAIT_TIMEOUT_SECONDS)

    async def ends(self, number: int) -> None:
        self.may_end[number].set()


async def has_come_to_an_end(harness: BotHarness) -> None:
    """Nothing runs there any more."""
    assert isinstance(harness.bot.backend, EmbeddedBackend)
    await asyncio.wait(harness.bot.backend.worker._tasks.values(), timeout=WAIT_TIMEOUT_SECONDS)
    assert not harness.bot.backend.worker._tasks


async def test_whoever_was_given_up_for_dead_writes_nothing_and_starts_nothing(postgres_url: str) -> None:
    """A process that was stopped in the middle of a tool goes on while its heir has started the tool again."""
    recording_tools = BlockingTools(attempts=2)
    model = ScriptedModel({"intent": "look"})
    async with running_bot(Database.open(postgres_url), model, recording_tools=recording_tools) as zombie:
        thread = await zombie.post_message("look")
        await recording_tools.until_begun(0)
        async with running_bot(
            Database.open(postgres_url), ScriptedModel(DONE), recording_tools=recording_tools, run="b"
        ) as heir:
            await recording_tools.until_begun(1)
            before = await heir.event_types(thread)
            await recording_tools.ends(0)
            await has_come_to_an_end(zombie)
            assert await heir.event_types(thread) == before
            await recording_tools.ends(1)
            await heir.wait_until_settled(thread)
            story = await heir.event_types(thread)
            assert (story.count("ToolStarted"), story.count("ToolSucceeded")) == (2, 1)
            (outcome,) = [event for event in await heir.events(thread) if event.type == "ToolSucceeded"]
            assert outcome.summary == "did look 1"
            await heir.check_replay(thread)


async def test_whoever_wakes_up_after_the_end_writes_nothing_either(postgres_url: str) -> None:
    recording_tools = BlockingTools(attempts=2)
    model = ScriptedModel({"intent": "look"})
    async with running_bot(Database.open(postgres_url), model, recording_tools=recording_tools) as zombie:
        thread = await zombie.post_message("look")
        await recording_tools.until_begun(0)
        async with running_bot(
            Database.open(postgres_url), ScriptedModel(DONE), recording_tools=recording_tools, run="b"
        ) as heir:
            await recording_tools.ends(1)
            await heir.wait_until_settled(thread)
            before = await heir.event_types(thread)
            await recording_tools.ends(0)
            await has_come_to_an_end(zombie)
            assert await heir.event_types(thread) == before
