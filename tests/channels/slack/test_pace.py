"""Turns: a second apart, cards before words, and nobody waits long."""

import asyncio
from datetime import timedelta

import pytest

from agents.errors import Unreachable
from channels.slack.pace import PATIENCE, Pace
from tests.fakes.clock import FakeClock


class Office:
    """A pace on a clock that a test turns, and the order in which turns came."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.pace = Pace(self.clock.elapsed, self._sleep)
        self.came: list[tuple[str, float]] = []
        self._began = self.clock.elapsed()
        self.waiting: list[asyncio.Task[None]] = []

    async def wants(self, name: str, destination: str = "C1", *, urgent: bool = False) -> asyncio.Task[None]:
        task = asyncio.create_task(self._turn(name, destination, urgent=urgent))
        self.waiting.append(task)
        await self.settles()
        return task

    async def later(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)
        await self.settles()

    async def settles(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def _turn(self, name: str, destination: str, *, urgent: bool) -> None:
        await self.pace.turn(destination, urgent=urgent)
        self.came.append((name, self.clock.elapsed() - self._began))

    async def _sleep(self, seconds: float) -> None:
        await self.clock.sleep(self.clock.now() + timedelta(seconds=seconds), asyncio.Event())


async def test_turns_to_one_destination_are_a_second_apart() -> None:
    office = Office()
    for name in "abc":
        await office.wants(name)
    await office.later(0.9)
    assert office.came == [("a", 0.0)]
    await office.later(0.1)
    await office.later(1)
    assert office.came == [("a", 0.0), ("b", 1.0), ("c", 2.0)]


async def test_destinations_do_not_wait_for_each_other() -> None:
    office = Office()
    await office.wants("a", "C1")
    await office.wants("b", "C2")
    assert [name for name, _ in office.came] == ["a", "b"]


async def test_what_is_urgent_goes_first_and_the_rest_keeps_its_order() -> None:
    office = Office()
    await office.wants("first")
    await office.wants("words")
    await office.wants("more words")
    await office.wants("card", urgent=True)
    for _ in range(3):
        await office.later(1)
    assert [name for name, _ in office.came] == ["first", "card", "words", "more words"]


async def test_who_gives_up_leaves_the_line_to_the_next() -> None:
    office = Office()
    await office.wants("first")
    gone = await office.wants("gone")
    await office.wants("next")
    gone.cancel()
    await office.settles()
    await office.later(1)
    assert [name for name, _ in office.came] == ["first", "next"]


async def test_who_would_wait_too_long_is_told_when_to_come_again() -> None:
    office = Office()
    await office.wants("first")
    for number in range(int(PATIENCE)):
        await office.wants(str(number))
    with pytest.raises(Unreachable) as raised:
        await office.pace.turn("C1")
    assert raised.value.retry_after == PATIENCE + 1
    with pytest.raises(Unreachable) as next_one:
        await office.pace.turn("C1")
    assert next_one.value.retry_after == PATIENCE + 2
    card = await office.wants("card", urgent=True)
    for _ in range(int(PATIENCE) + 1):
        await office.later(1)
    assert card.done()
    assert all(task.done() for task in office.waiting)


async def test_a_destination_nobody_writes_to_is_forgotten() -> None:
    office = Office()
    for number in range(50):
        await office.wants(str(number), f"C{number}")
    await office.later(1)
    await office.wants("last", "C9")
    assert len(office.pace._lines) == 1
