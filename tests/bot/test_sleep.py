"""A sleep ends in time, also when the clock is set or the machine is suspended meanwhile."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from bot.sleep import MAX_SLEEP_SECONDS, WallClockSleep

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@dataclass
class FakeMachine:
    """A wall clock and a clock of the event loop; `happens` is done to them at the n-th nap."""

    wall: datetime = NOON
    running: float = 0.0
    clock_jumps: dict[int, timedelta] = field(default_factory=dict)
    wakes_at: int | None = None
    waits: list[float] = field(default_factory=list)

    async def wait(self, seconds: float, wake_event: asyncio.Event) -> None:
        self.waits.append(seconds)
        self.running += seconds
        self.wall += timedelta(seconds=seconds) + self.clock_jumps.pop(len(self.waits), timedelta())
        if self.wakes_at == len(self.waits):
            wake_event.set()

    async def sleep(self, at: datetime) -> None:
        await WallClockSleep(lambda: self.wall, lambda: self.running, self.wait)(at, asyncio.Event())


async def test_no_wait_is_longer_than_five_seconds() -> None:
    machine = FakeMachine()
    await machine.sleep(NOON + timedelta(hours=1))
    assert machine.wall == NOON + timedelta(hours=1)
    assert max(machine.waits) == MAX_SLEEP_SECONDS < 5


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(seconds=58)])
async def test_a_deadline_the_clock_jumped_over_is_met_within_seconds(jump: timedelta) -> None:
    """Set forward, or suspended: in both cases the loop's own clock has stood still."""
    machine = FakeMachine(clock_jumps={1: jump})
    await machine.sleep(NOON + timedelta(minutes=1))
    assert sum(machine.waits) <= 5


async def test_a_clock_set_back_makes_no_wait_longer() -> None:
    machine = FakeMachine(clock_jumps={1: timedelta(hours=-1)})
    await machine.sleep(NOON + timedelta(seconds=10))
    assert sum(machine.waits) == 10


async def test_a_ring_ends_a_sleep() -> None:
    machine = FakeMachine(wakes_at=2)
    await machine.sleep(NOON + timedelta(hours=1))
    assert len(machine.waits) == 2


async def test_a_time_that_is_over_lets_others_run_first() -> None:
    machine = FakeMachine()
    await machine.sleep(NOON - timedelta(hours=1))
    assert machine.waits == [0.0]
