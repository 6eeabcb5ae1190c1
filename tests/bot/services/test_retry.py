"""Sleeps end in time, also when the clock is set or the machine is suspended. Operations are retried and repeated."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from agents.core.errors import Retryable, Unavailable
from bot.services.ids import Clock
from bot.services.retry import MAX_SLEEP_SECONDS, Repeater, WallClockSleep

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


@dataclass
class PlannedOperation:
    """Operation that raises the planned errors, then returns its number of calls. Its sleep records the delays.

    The stop event is set at the n-th sleep, if `stops_at` is n.
    """

    errors: list[Exception] = field(default_factory=list)
    stops_at: int | None = None
    calls: int = 0
    delays: list[float] = field(default_factory=list)
    logged: list[tuple[str, int]] = field(default_factory=list)
    stop_event: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def repeater(self) -> Repeater:
        return Repeater(Clock(now=lambda: NOON, jitter=lambda: 1.0), self.sleep)

    async def run(self) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.calls

    async def sleep(self, at: datetime | None, _wake_event: asyncio.Event) -> None:
        self.delays.append((at - NOON).total_seconds())
        if self.stops_at == len(self.delays):
            self.stop_event.set()

    async def retry(self) -> int:
        return await self.repeater.retry(
            self.run,
            self.stop_event,
            on_error=lambda e, attempt: self.logged.append((str(e), attempt)),
            errors=Retryable,
        )


async def test_retry_waits_longer_after_each_error_until_success() -> None:
    operation = PlannedOperation([Unavailable("one"), Unavailable("two", retry_after=30), Unavailable("three")])
    assert await operation.retry() == 4
    assert operation.delays == [1, 30, 4]
    assert operation.logged == [("one", 1), ("two", 2), ("three", 3)]


async def test_retry_raises_the_last_error_when_stopped() -> None:
    operation = PlannedOperation([Unavailable("one"), Unavailable("two"), Unavailable("three")], stops_at=2)
    with pytest.raises(Unavailable, match="two"):
        await operation.retry()
    assert operation.calls == 2


async def test_retry_raises_other_errors_at_once() -> None:
    operation = PlannedOperation([ZeroDivisionError("bug")])
    with pytest.raises(ZeroDivisionError):
        await operation.retry()
    assert (operation.delays, operation.logged) == ([], [])


async def test_every_runs_at_once_and_after_each_interval_until_stopped() -> None:
    operation = PlannedOperation(stops_at=3)
    await operation.repeater.every(timedelta(seconds=60), operation.run, operation.stop_event)
    assert (operation.calls, operation.delays) == (3, [60, 60, 60])
