"""Turns: a second apart, cards before words, and nobody waits long."""

import asyncio
from datetime import timedelta

import pytest

from agents.errors import Unavailable
from channels.slack.rate_limit import MAX_WAIT_SECONDS, RateLimiter
from tests.fakes.clock import FakeClock


class RateLimitHarness:
    """A pace on a clock that a test turns, and the order in which turns came."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.pace = RateLimiter(self.clock.monotonic, self._sleep)
        self.granted: list[tuple[str, float]] = []
        self._began = self.clock.monotonic()
        self.waiting: list[asyncio.Task[None]] = []

    async def request_turn(self, name: str, destination: str = "C1", *, urgent: bool = False) -> asyncio.Task[None]:
        task = asyncio.create_task(self._turn(name, destination, urgent=urgent))
        self.waiting.append(task)
        await self.run_pending()
        return task

    async def advance_clock(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)
        await self.run_pending()

    async def run_pending(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def _turn(self, name: str, destination: str, *, urgent: bool) -> None:
        await self.pace.acquire(destination, is_urgent=urgent)
        self.granted.append((name, self.clock.monotonic() - self._began))

    async def _sleep(self, seconds: float) -> None:
        await self.clock.sleep(self.clock.now() + timedelta(seconds=seconds), asyncio.Event())


async def test_turns_to_one_destination_are_a_second_apart() -> None:
    office = RateLimitHarness()
    for name in "abc":
        await office.request_turn(name)
    await office.advance_clock(0.9)
    assert office.granted == [("a", 0.0)]
    await office.advance_clock(0.1)
    await office.advance_clock(1)
    assert office.granted == [("a", 0.0), ("b", 1.0), ("c", 2.0)]


async def test_destinations_do_not_wait_for_each_other() -> None:
    office = RateLimitHarness()
    await office.request_turn("a", "C1")
    await office.request_turn("b", "C2")
    assert [name for name, _ in office.granted] == ["a", "b"]


async def test_what_is_urgent_goes_first_and_the_rest_keeps_its_order() -> None:
    office = RateLimitHarness()
    await office.request_turn("first")
    await office.request_turn("words")
    await office.request_turn("more words")
    await office.request_turn("card", urgent=True)
    for _ in range(3):
        await office.advance_clock(1)
    assert [name for name, _ in office.granted] == ["first", "card", "words", "more words"]


async def test_who_gives_up_leaves_the_line_to_the_next() -> None:
    office = RateLimitHarness()
    await office.request_turn("first")
    gone = await office.request_turn("gone")
    await office.request_turn("next")
    gone.cancel()
    await office.run_pending()
    await office.advance_clock(1)
    assert [name for name, _ in office.granted] == ["first", "next"]


async def test_who_would_wait_too_long_is_told_when_to_come_again() -> None:
    office = RateLimitHarness()
    await office.request_turn("first")
    for number in range(int(MAX_WAIT_SECONDS)):
        await office.request_turn(str(number))
    with pytest.raises(Unavailable) as raised:
        await office.pace.acquire("C1")
    assert raised.value.retry_after == MAX_WAIT_SECONDS + 1
    with pytest.raises(Unavailable) as next_one:
        await office.pace.acquire("C1")
    assert next_one.value.retry_after == MAX_WAIT_SECONDS + 2
    card = await office.request_turn("card", urgent=True)
    for _ in range(int(MAX_WAIT_SECONDS) + 1):
        await office.advance_clock(1)
    assert card.done()
    assert all(task.done() for task in office.waiting)


async def test_a_destination_nobody_writes_to_is_forgotten() -> None:
    office = RateLimitHarness()
    for number in range(50):
        await office.request_turn(str(number), f"C{number}")
    await office.advance_clock(1)
    await office.request_turn("last", "C9")
    assert len(office.pace._queues) == 1
