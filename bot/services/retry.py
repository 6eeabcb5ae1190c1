"""Sleeping, repeating and retrying, and supervision of background loops. All waits use this module."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from agents.core.errors import Retryable, StoreUnavailable
from bot.log import LogEvent, log
from bot.services.ids import Clock

T = TypeVar("T")


def next_retry_at(
    attempt: int, jitter: float, now: datetime, retry_after: float | None = None, max_seconds: float = 300.0
) -> datetime:
    """Return when to try again: after 1, 2, 4 … `max_seconds` seconds, but not before `retry_after` seconds.

    `jitter`, from 0 to 1, scales the delay between half of it and all of it.
    """
    seconds = min(max_seconds, 2.0 ** min(max(0, attempt - 1), 30)) * (0.5 + jitter / 2)
    return now + timedelta(seconds=max(seconds, retry_after or 0.0))


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


@dataclass(frozen=True)
class Repeater:
    """Repeats operations: `retry` until one succeeds, `every` at an interval. A stop event ends either of them."""

    clock: Clock = field(default_factory=Clock)
    sleep: Sleep = sleep_until

    async def retry(
        self,
        operation: Callable[[], Awaitable[T]],
        stop_event: asyncio.Event,
        on_error: Callable[[Exception, int], None],
        errors: type[Exception] = Exception,
    ) -> T:
        """Repeat the operation after each of these `errors`, until it succeeds. Return its result.

        `on_error` is called with each error and the number of the attempt. Raises the last error when `stop_event` is
        set, and any other error at once.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                return await operation()
            except errors as error:
                on_error(error, attempt)
                await self.back_off(attempt, stop_event, error)
                if stop_event.is_set():
                    raise

    async def back_off(self, attempt: int, wake_event: asyncio.Event, error: Exception | None = None) -> None:
        """Wait before the next attempt, longer after each one, and at least for the `retry_after` of the error."""
        retry_after = error.retry_after if isinstance(error, Retryable) else None
        await self.sleep(next_retry_at(attempt, self.clock.jitter(), self.clock.now(), retry_after), wake_event)

    async def every(
        self, interval: timedelta, operation: Callable[[], Awaitable[None]], stop_event: asyncio.Event | None = None
    ) -> None:
        """Run the operation now and after each interval. Raises its errors."""
        stop_event = stop_event or asyncio.Event()
        while not stop_event.is_set():
            await operation()
            await self.sleep(self.clock.now() + interval, stop_event)


MAX_BACKOFF_ATTEMPT = 3
"""The back-off stops growing at this attempt, at four seconds, because deadlines must be met within five."""
FAILURE_RESET_SECONDS = 60.0
"""Runtime after which the back-off of a failing loop is reset."""

Loop = Callable[[], Awaitable[None]]


@dataclass
class LoopSupervisor:
    """The background tasks of one process. `failure_counts` has the number of exceptions of each loop, by name.

    A loop that returns has ended on purpose. A loop that raises is logged with its traceback and run again.
    """

    clock: Clock = field(default_factory=Clock)
    sleep: Sleep = sleep_until
    failure_counts: Counter[str] = field(default_factory=Counter)
    running_loops: dict[str, Loop] = field(default_factory=dict)
    _never_set: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self, name: str, loop: Loop) -> asyncio.Task[None]:
        """Run the loop in a new task. Cancel the task to end it."""
        return asyncio.create_task(self.supervise(name, loop), name=name)

    async def supervise(self, name: str, loop: Loop, stop_event: asyncio.Event | None = None) -> None:
        """Run the loop until it returns, is cancelled, or fails after `stop_event` was set."""
        self.running_loops[name] = loop
        attempt, stop_event = 0, stop_event or self._never_set
        try:
            while True:
                started_at = self.clock.monotonic()
                try:
                    await loop()
                except Exception as error:  # noqa: BLE001 - a loop must go on after any failure
                    attempt = (
                        1
                        if self.clock.monotonic() - started_at >= FAILURE_RESET_SECONDS
                        else min(attempt + 1, MAX_BACKOFF_ATTEMPT)
                    )
                    self.record_failure(name, error)
                else:
                    return
                if stop_event.is_set():
                    return
                await Repeater(self.clock, self.sleep).back_off(attempt, stop_event)
                if stop_event.is_set():
                    return
        finally:
            self.running_loops.pop(name, None)

    def record_failure(self, name: str, error: Exception) -> None:
        """Count and log a failure of a loop."""
        self.failure_counts[name] += 1
        action = LogEvent.DATABASE_UNAVAILABLE if isinstance(error, StoreUnavailable) else LogEvent.LOOP_FAILED
        log(action, level="error", loop=name, error=error, trace=error, count=self.failure_counts[name])


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], grace_seconds: float) -> None:
    """Let tasks end within `grace_seconds`, then cancel them and wait until they have ended."""
    if running := list(tasks):
        await asyncio.wait(running, timeout=grace_seconds)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
