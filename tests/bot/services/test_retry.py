"""A sleep ends in time, also when the clock is set or the machine is suspended during it."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from bot.services.retry import MAX_SLEEP_SECONDS, WallClockSleep

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@dataclass
class FakeMachine:
    """A wall clock and the monotonic clock of an event loop.

    `clock_jumps` changes the wall clock at the n-th wait; `wakes_at` is the wait at which the wake event is set.
    """

    wall_time: datetime = NOON
    loop_time: float = 0.0
    clock_jumps: dict[int, timedelta] = field(default_factory=dict)
    wakes_at: int | None = None
    waits: list[float] = field(default_factory=list)

    async def wait(self, seconds: float, wake_event: asyncio.Event) -> None:
        self.waits.append(seconds)
        self.loop_time += seconds
        self.wall_time += timedelta(seconds=seconds) + self.clock_jumps.pop(len(self.waits), timedelta())
        if self.wakes_at == len(self.waits):
            wake_event.set()

    async def sleep(self, at: datetime) -> None:
        await WallClockSleep(lambda: self.wall_time, lambda: self.loop_time, self.wait)(at, asyncio.Event())


async def test_no_wait_is_longer_than_five_seconds() -> None:
    machine = FakeMachine()
    await machine.sleep(NOON + timedelta(hours=1))
    assert machine.wall_time == NOON + timedelta(hours=1)
    assert max(machine.waits) == MAX_SLEEP_SECONDS < 5


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(seconds=58)])
async def test_deadline_skipped_by_a_clock_jump_is_met_within_seconds(jump: timedelta) -> None:
    """The clock was set forward or the machine was suspended: the monotonic clock has not advanced in either case."""
    machine = FakeMachine(clock_jumps={1: jump})
    await machine.sleep(NOON + timedelta(minutes=1))
    assert sum(machine.waits) <= 5


async def test_setting_the_clock_back_does_not_prolong_a_sleep() -> None:
    machine = FakeMachine(clock_jumps={1: timedelta(hours=-1)})
    await machine.sleep(NOON + timedelta(seconds=10))
    assert sum(machine.waits) == 10


async def test_wake_event_ends_a_sleep() -> None:
    machine = FakeMachine(wakes_at=2)
    await machine.sleep(NOON + timedelta(hours=1))
    assert len(machine.waits) == 2


async def test_sleep_until_a_past_time_yields_to_other_tasks() -> None:
    machine = FakeMachine()
    await machine.sleep(NOON - timedelta(hours=1))
    assert machine.waits == [0.0]
