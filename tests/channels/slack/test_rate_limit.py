"""Rate limiter: intervals, priority of urgent callers, and rejection of long waits."""

import asyncio
from datetime import timedelta

import pytest

from agents.core.errors import Unavailable
from channels.slack.rate_limit import MAX_WAIT_SECONDS, RateLimiter
from tests.fakes.clock import FakeClock


class RateLimitHarness:
    """Rate limiter on a fake clock, which records the order and time of granted turns."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.limiter = RateLimiter(self.clock.monotonic, self._sleep)
        self.granted: list[tuple[str, float]] = []
        self._started_at = self.clock.monotonic()
        self.waiting: list[asyncio.Task[None]] = []

    async def request_turn(self, name: str, destination: str = "C1", *, is_urgent: bool = False) -> asyncio.Task[None]:
        task = asyncio.create_task(self._turn(name, destination, is_urgent=is_urgent))
        self.waiting.append(task)
        await self.run_pending()
        return task

    async def advance_clock(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)
        await self.run_pending()

    async def run_pending(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def _turn(self, name: str, destination: str, *, is_urgent: bool) -> None:
        await self.limiter.acquire(destination, is_urgent=is_urgent)
        self.granted.append((name, self.clock.monotonic() - self._started_at))

    async def _sleep(self, seconds: float) -> None:
        await self.clock.sleep(self.clock.now() + timedelta(seconds=seconds), asyncio.Event())


async def test_callers_for_one_key_wait_one_second_each() -> None:
    harness = RateLimitHarness()
    for name in "abc":
        await harness.request_turn(name)
    await harness.advance_clock(0.9)
    assert harness.granted == [("a", 0.0)]
    await harness.advance_clock(0.1)
    await harness.advance_clock(1)
    assert harness.granted == [("a", 0.0), ("b", 1.0), ("c", 2.0)]


async def test_keys_do_not_wait_for_each_other() -> None:
    harness = RateLimitHarness()
    await harness.request_turn("a", "C1")
    await harness.request_turn("b", "C2")
    assert [name for name, _ in harness.granted] == ["a", "b"]


async def test_urgent_callers_go_first_and_others_keep_order() -> None:
    harness = RateLimitHarness()
    await harness.request_turn("first")
    await harness.request_turn("text")
    await harness.request_turn("more text")
    await harness.request_turn("card", is_urgent=True)
    for _ in range(3):
        await harness.advance_clock(1)
    assert [name for name, _ in harness.granted] == ["first", "card", "text", "more text"]


async def test_cancelled_caller_frees_its_turn() -> None:
    harness = RateLimitHarness()
    await harness.request_turn("first")
    cancelled = await harness.request_turn("cancelled")
    await harness.request_turn("next")
    cancelled.cancel()
    await harness.run_pending()
    await harness.advance_clock(1)
    assert [name for name, _ in harness.granted] == ["first", "next"]


async def test_long_wait_is_rejected_with_staggered_retry_times() -> None:
    harness = RateLimitHarness()
    await harness.request_turn("first")
    for number in range(int(MAX_WAIT_SECONDS)):
        await harness.request_turn(str(number))
    with pytest.raises(Unavailable) as raised:
        await harness.limiter.acquire("C1")
    assert raised.value.retry_after == MAX_WAIT_SECONDS + 1
    with pytest.raises(Unavailable) as next_one:
        await harness.limiter.acquire("C1")
    assert next_one.value.retry_after == MAX_WAIT_SECONDS + 2
    card = await harness.request_turn("card", is_urgent=True)
    for _ in range(int(MAX_WAIT_SECONDS) + 1):
        await harness.advance_clock(1)
    assert card.done()
    assert all(task.done() for task in harness.waiting)


async def test_idle_queues_are_removed() -> None:
    harness = RateLimitHarness()
    for number in range(50):
        await harness.request_turn(str(number), f"C{number}")
    await harness.advance_clock(1)
    await harness.request_turn("last", "C9")
    assert len(harness.limiter._queues) == 1
