"""Sleep until a time. All waits for the clock use this module, so that tests can replace it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

MAX_SLEEP_SECONDS = 4.0
"""Maximum time between two checks of the wall clock. It bounds the delay of a deadline after the clock was set or the
machine was suspended, during which the timers of the event loop do not advance."""

Sleep = Callable[[datetime | None, asyncio.Event], Awaitable[None]]
"""Function that sleeps until a time (None: no limit) or until an event is set. It may return early when the clock was
set back, so callers must check the time if being early matters."""


async def wait_with_timeout(seconds: float, wake_event: asyncio.Event) -> None:
    """Wait until the event is set, at most `seconds`. Always yields to the event loop at least once."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake_event.wait()


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class WallClockSleep:
    """Sleep that ends at a wall-clock time, or when the seconds that were left at its start have passed.

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
            remaining = min(end - self.monotonic(), (at - self.now()).total_seconds())
            await self.wait(min(max(remaining, 0.0), MAX_SLEEP_SECONDS), wake_event)
            if remaining <= MAX_SLEEP_SECONDS or wake_event.is_set():
                return


sleep_until: Sleep = WallClockSleep()
