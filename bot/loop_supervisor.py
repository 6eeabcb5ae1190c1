"""Supervision of background loops: a loop that raises is logged and run again until it is stopped."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agents.errors import StoreUnavailable
from bot.ids import Clock
from bot.log import LogEvent, log
from bot.sleep import Sleep, sleep_until
from bot.tool_runner import next_retry_at

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
                await self.sleep(next_retry_at(attempt, self.clock.jitter(), self.clock.now()), stop_event)
                if stop_event.is_set():
                    return
        finally:
            self.running_loops.pop(name, None)

    def record_failure(self, name: str, error: Exception) -> None:
        """Count and log a failure of a loop."""
        self.failure_counts[name] += 1
        action = LogEvent.DATABASE_UNAVAILABLE if isinstance(error, StoreUnavailable) else LogEvent.LOOP_FAILED
        log(action, level="error", loop=name, error=error, trace=error, count=self.failure_counts[name])
