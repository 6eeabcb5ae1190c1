"""A sleep ends in time, also when the clock is set or the machine is suspended meanwhile."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from bot.sleeping import MAX_SLEEP_SECONDS, WallSleep

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@dataclass
class Machine:
    """A wall clock and a clock of the event loop; `happens` is done to them at the n-th nap."""

    wall: datetime = NOON
    running: float = 0.0
    happens: dict[int, timedelta] = field(default_factory=dict)
    rings: int | None = None
    naps: list[float] = field(default_factory=list)

    async def nap(self, seconds: float, bell: asyncio.Event) -> None:
        self.naps.append(seconds)
        self.running += seconds
        self.wall += timedelta(seconds=seconds) + self.happens.pop(len(self.naps), timedelta())
        if self.rings == len(self.naps):
            bell.set()

    async def sleeps(self, at: datetime) -> None:
        await WallSleep(lambda: self.wall, lambda: self.running, self.nap)(at, asyncio.Event())


async def test_no_wait_is_longer_than_five_seconds() -> None:
    machine = Machine()
    await machine.sleeps(NOON + timedelta(hours=1))
    assert machine.wall == NOON + timedelta(hours=1)
    assert max(machine.naps) == MAX_SLEEP_SECONDS < 5


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(seconds=58)])
async def test_a_deadline_the_clock_jumped_over_is_met_within_seconds(jump: timedelta) -> None:
    """Set forward, or suspended: in both cases the loop's own clock has stood still."""
    machine = Machine(happens={1: jump})
    await machine.sleeps(NOON + timedelta(minutes=1))
    assert sum(machine.naps) <= 5


async def test_a_clock_set_back_makes_no_wait_longer() -> None:
    machine = Machine(happens={1: timedelta(hours=-1)})
    await machine.sleeps(NOON + timedelta(seconds=10))
    assert sum(machine.naps) == 10


async def test_a_ring_ends_a_sleep() -> None:
    machine = Machine(rings=2)
    await machine.sleeps(NOON + timedelta(hours=1))
    assert len(machine.naps) == 2


async def test_a_time_that_is_over_lets_others_run_first() -> None:
    machine = Machine()
    await machine.sleeps(NOON - timedelta(hours=1))
    assert machine.naps == [0.0]
