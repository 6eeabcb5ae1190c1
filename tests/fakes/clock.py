"""Clocks for fakes: one that stands still until a test advances it, and one with real time."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from bot.services.retry import sleep_until


class Clock(Protocol):
    """Clock of a fake."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    async def sleep(self, at: datetime | None, wake_event: asyncio.Event) -> None: ...


class WallClock:
    """Real time, for a fake that other processes talk to."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return self.now().timestamp()

    async def sleep(self, at: datetime | None, wake_event: asyncio.Event) -> None:
        await sleep_until(at, wake_event)


class FakeClock:
    """Clock that a test advances. `followers` are called with each new time, for other clocks that follow this one."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)
        self.followers: list[Callable[[datetime], None]] = []
        self._sleepers: list[tuple[datetime, asyncio.Event]] = []

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        """Return the time in seconds, for measuring durations."""
        return self.time.timestamp()

    @property
    def sleeper_count(self) -> int:
        """Number of sleepers that are not due yet."""
        return sum(not due.is_set() for _, due in self._sleepers)

    def advance(self, **amount: float) -> None:
        """Advance the clock by keyword arguments of `timedelta`, and wake the sleepers that are due."""
        self.time += timedelta(**amount)
        for at, due in self._sleepers:
            if at <= self.time:
                due.set()
        for follower in self.followers:
            follower(self.time)

    async def sleep(self, at: datetime | None, wake_event: asyncio.Event) -> None:
        """Sleep until the time is `at`, or until `wake_event` is set."""
        due = asyncio.Event()
        sleeper = (at, due) if at is not None else None
        if sleeper is not None:
            self._sleepers.append(sleeper)
        if at is not None and at <= self.time:
            due.set()
        waiting = [asyncio.ensure_future(due.wait()), asyncio.ensure_future(wake_event.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            if sleeper is not None:
                self._sleepers.remove(sleeper)
