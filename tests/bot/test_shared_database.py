"""Two processes on one database: whoever comes second finds what the first one did."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count

import pytest

from agents.addresses import Address, person
from agents.errors import AlreadySettled, StoreUnavailable
from agents.messages import Heard, Provenance
from agents.steps import DoneForNow
from bot.embedded import Embedded
from bot.engine import Recorded
from bot.intake import Opening
from storage.database import Database
from storage.inbox import Claim
from storage.threads import listed
from tests.fakes.clock import FakeClock
from tests.fakes.scripted import ScriptedModel
from tests.fakes.wire import wire
from tests.houses import PATIENCE, House, Workshop, house

SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")
ALICE, TERMINAL = person("alice"), Address("terminal:alice")
OLDEST_FIRST = {"status": None, "agent": None, "before": None, "limit": 200}


class Model:
    """Ships what it is told to ship, in whichever process it is asked."""

    def __init__(self) -> None:
        self.turns = 0

    async def complete(self, turn, words=None):
        self.turns += 1
        return await ScriptedModel(SHIP if "did ship" not in turn.prompt.user else DONE).complete(turn)


@pytest.fixture
async def two(postgres_url: str) -> AsyncIterator[tuple[House, House]]:
    clock, workshop, model = FakeClock(), Workshop(), Model()
    common = {"clock": clock, "workshop": workshop, "shared": True}
    async with (
        house(Database.open(postgres_url), model, run="a", **common) as first,
        house(Database.open(postgres_url), model, run="b", **common) as second,
    ):
        yield first, second


def heard(home: House, text: str) -> Heard:
    return Heard(text=text, by=ALICE, source=TERMINAL, provenance=Provenance.VERIFIED_PERSON, at=home.clock.now())


async def opens(home: House, claim: Claim) -> Recorded:
    opening = Opening(heard=heard(home, "ship v1"), requester=ALICE, origin=TERMINAL)
    return await home.bot.intake.open(opening, claim=claim, reply=lambda recorded: recorded.after.thread_id)


async def test_what_comes_in_twice_at_the_same_time_is_one_thread_and_the_loser_finds_the_first_reply(two) -> None:
    claim = Claim("terminal:alice", ("once",), fingerprint="f")
    arrivals = await asyncio.gather(*(opens(home, claim) for home in two for _ in range(10)))
    (thread,) = {r.earlier.reply if r.earlier else r.after.thread_id for r in arrivals}
    assert sum(r.earlier is None for r in arrivals) == 1
    threads = await two[0].bot.engine.database.run(lambda connection: listed(connection, **OLDEST_FIRST))
    assert [state.thread_id for state in threads] == [thread]
    assert (await two[0].story(thread)).count("MessageReceived") == 1


async def test_what_is_said_in_one_thread_at_the_same_time_is_all_kept_in_one_order(two) -> None:
    thread = (await opens(two[0], Claim("terminal:alice", ("once",)))).after.thread_id
    await two[0].asked(thread)
    words = [f"by the way, {number}" for number in range(20)]
    await asyncio.gather(*(two[n % 2].bot.intake.hear(thread, heard(two[0], text)) for n, text in enumerate(words)))
    told = [event.text for event in await two[1].log(thread) if event.type == "MessageReceived"]
    assert Counter(told) == Counter(["ship v1", *words])
    for home in two:
        await home.check_replay(thread)
        assert (await home.bot.engine.load(thread)).version == len(await home.log(thread))


async def test_of_a_hundred_answers_to_two_processes_one_decides_and_the_others_are_told_who_did(two) -> None:
    thread = (await opens(two[0], Claim("terminal:alice", ("once",)))).after.thread_id
    request = await two[0].asked(thread)
    tried = [(home, who) for who in ("bob", "carol") for home in two for _ in range(25)]
    ends = await asyncio.gather(
        *(home.answers(request, "approve", by=who) for home, who in tried), return_exceptions=True
    )
    ((_, winner),) = [one for one, end in zip(tried, ends, strict=True) if not isinstance(end, AlreadySettled)]
    assert sum(isinstance(end, AlreadySettled) and f"by {winner} (terminal)" in str(end) for end in ends) == 99
    await two[1].at_rest(thread)
    assert [what for _, what in two[0].workshop.done] == ["ship v1"]
    assert (await two[1].story(thread)).count("RequestAnswered") == 1


async def test_what_was_kept_though_nobody_heard_of_it_is_found_when_it_is_sent_again(postgres_url: str) -> None:
    with wire(postgres_url) as wired:
        async with house(Database.open(wired.url), ScriptedModel(SHIP), shared=True) as home:
            claim = Claim("terminal:alice", ("once",), fingerprint="f")
            wired.lose_the_commit_of("INSERT INTO inbox")
            with pytest.raises(StoreUnavailable):
                await opens(home, claim)
            again = await opens(home, claim)
            assert again.earlier is not None
            await home.asked(again.earlier.thread_id)


class Contested(Workshop):
    """A workshop in which each attempt waits for its turn to end; whoever comes later than expected is refused."""

    def __init__(self, attempts: int) -> None:
        super().__init__()
        self.begun = [threading.Event() for _ in range(attempts)]
        self.may_end = [threading.Event() for _ in range(attempts)]
        self._numbers = count()

    def do(self, key: str, what: str):
        number = next(self._numbers)
        self.begun[number].set()
        self.may_end[number].wait(PATIENCE)
        return super().do(key, f"{what} {number}")

    async def until_begun(self, number: int) -> None:
        assert await asyncio.to_thread(self.begun[number].wait, PATIENCE)

    async def ends(self, number: int) -> None:
        self.may_end[number].set()


async def has_come_to_an_end(home: House) -> None:
    """Nothing runs there any more."""
    assert isinstance(home.bot.wakeups, Embedded)
    await asyncio.wait(home.bot.wakeups.worker._tasks.values(), timeout=PATIENCE)
    assert not home.bot.wakeups.worker._tasks


async def test_whoever_was_given_up_for_dead_writes_nothing_and_starts_nothing(postgres_url: str) -> None:
    """A process that was stopped in the middle of a tool goes on while its heir has started the tool again."""
    workshop = Contested(attempts=2)
    model = ScriptedModel({"intent": "look"})
    async with house(Database.open(postgres_url), model, workshop=workshop) as zombie:
        thread = await zombie.says("look")
        await workshop.until_begun(0)
        async with house(Database.open(postgres_url), ScriptedModel(DONE), workshop=workshop, run="b") as heir:
            await workshop.until_begun(1)
            before = await heir.story(thread)
            await workshop.ends(0)
            await has_come_to_an_end(zombie)
            assert await heir.story(thread) == before
            await workshop.ends(1)
            await heir.at_rest(thread)
            story = await heir.story(thread)
            assert (story.count("ToolStarted"), story.count("ToolSucceeded")) == (2, 1)
            (outcome,) = [event for event in await heir.log(thread) if event.type == "ToolSucceeded"]
            assert outcome.summary == "did look 1"
            await heir.check_replay(thread)


async def test_whoever_wakes_up_after_the_end_writes_nothing_either(postgres_url: str) -> None:
    workshop = Contested(attempts=2)
    model = ScriptedModel({"intent": "look"})
    async with house(Database.open(postgres_url), model, workshop=workshop) as zombie:
        thread = await zombie.says("look")
        await workshop.until_begun(0)
        async with house(Database.open(postgres_url), ScriptedModel(DONE), workshop=workshop, run="b") as heir:
            await workshop.ends(1)
            await heir.at_rest(thread)
            before = await heir.story(thread)
            await workshop.ends(0)
            await has_come_to_an_end(zombie)
            assert await heir.story(thread) == before
