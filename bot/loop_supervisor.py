"""Background loops: each is kept running until it is stopped, whatever it raises."""

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
"""The back-off after a failure stops growing here, at four seconds: deadlines are to be met within five."""
FAILURE_RESET_SECONDS = 60.0
"""A loop that ran for so long before it failed starts again as after a first failure."""

Loop = Callable[[], Awaitable[None]]


@dataclass
class LoopSupervisor:
    """The background tasks of one process. `failures` counts the exceptions of each loop, by its name.

    A loop that returns has ended on purpose. One that raises is logged with its traceback and run again after a while.
    """

    clock: Clock = field(default_factory=Clock)
    sleep: Sleep = sleep_until
    failure_counts: Counter[str] = field(default_factory=Counter)
    running_loops: dict[str, Loop] = field(default_factory=dict)
    _never_set: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self, name: str, loop: Loop) -> asyncio.Task[None]:
        """Run the loop in a task of its own; cancelling the task ends it."""
        return asyncio.create_task(self.supervise(name, loop), name=name)

    async def supervise(self, name: str, loop: Loop, stop_event: asyncio.Event | None = None) -> None:
        """Run the loop until it returns, is cancelled, or fails while `stopping`."""
        self.running_loops[name] = loop
        attempt, stop_event = 0, stop_event or self._never_set
        try:
            while True:
                began = self.clock.monotonic()
                try:
                    await loop()
                except Exception as error:  # noqa: BLE001 - what a loop does must go on, whatever happened
                    attempt = (
                        1
                        if self.clock.monotonic() - began >= FAILURE_RESET_SECONDS
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
        """Count a failure of a loop, and log it."""
        self.failure_counts[name] += 1
        action = LogEvent.DATABASE_UNAVAILABLE if isinstance(error, StoreUnavailable) else LogEvent.LOOP_FAILED
        log(action, level="error", loop=name, error=error, trace=error, count=self.failure_counts[name])
