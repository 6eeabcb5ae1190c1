"""Sleeping until a time: the one place where the process waits for the clock, so that tests can turn it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

MAX_SLEEP_SECONDS = 4.0
"""The longest wait between two looks at the clock. A deadline is met this late at most after the clock was set, and
after the machine was suspended: timers of the event loop stand still meanwhile."""

Sleep = Callable[[datetime | None, asyncio.Event], Awaitable[None]]
"""Sleep until the time, or until the bell rings; None sleeps until it rings. It may end early when the clock was set
back, so callers compare the time themselves where being early matters."""


async def wait_with_timeout(seconds: float, wake_event: asyncio.Event) -> None:
    """Wait for the bell, but no longer than that. Control goes to the event loop at least once."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake_event.wait()


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class WallClockSleep:
    """The real sleep. It ends at the time of the wall clock, or when as many seconds have passed as were left.

    The second condition keeps a back-off of two seconds from lasting an hour when the clock is set back by an hour.
    """

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    wait: Callable[[float, asyncio.Event], Awaitable[None]] = wait_with_timeout

    async def __call__(self, at: datetime | None, wake_event: asyncio.Event) -> None:
        if at is None:
            await wake_event.wait()
            return
        end = self.monotonic() + (at - self.now()).total_seconds()
        while True:
            left = min(end - self.monotonic(), (at - self.now()).total_seconds())
            await self.wait(min(max(left, 0.0), MAX_SLEEP_SECONDS), wake_event)
            if left <= MAX_SLEEP_SECONDS or wake_event.is_set():
                return


sleep_until: Sleep = WallClockSleep()
