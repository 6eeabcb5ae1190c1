"""Clocks for fakes: one that stands still until a test turns it, and one that runs."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from bot.sleep import sleep_until


class Clock(Protocol):
    """What the fakes ask of a clock."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    async def sleep(self, at: datetime | None, wake_event: asyncio.Event) -> None: ...


class WallClock:
    """The time of the world, for a fake that processes of their own speak with. Nobody turns it."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return self.now().timestamp()

    async def sleep(self, at: datetime | None, wake_event: asyncio.Event) -> None:
        await sleep_until(at, wake_event)


class FakeClock:
    """`now` for whoever asks the time, `sleep` for whoever waits for it; `told` are other clocks that follow it."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)
        self.followers: list[Callable[[datetime], None]] = []
        self._sleepers: list[tuple[datetime, asyncio.Event]] = []

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        """For whoever measures how long something took."""
        return self.time.timestamp()

    def advance(self, **amount: float) -> None:
        """Turn the clock on and wake those whose time has come."""
        self.time += timedelta(**amount)
        for at, due in self._sleepers:
            if at <= self.time:
                due.set()
        for follower in self.followers:
            follower(self.time)

    async def sleep(self, at: datetime | None, wake_event: asyncio.Event) -> None:
        """Until the time is `at`, or the bell rings."""
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
