"""Background loops: each is kept running until it is stopped, whatever it raises."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agents.errors import StoreUnavailable
from bot.ids import Chance
from bot.log import Action, log
from bot.running import back_off
from bot.sleeping import Sleep, sleep_until

MAX_ATTEMPT = 3
"""The back-off after a failure stops growing here, at four seconds: deadlines are to be met within five."""
STEADY_SECONDS = 60.0
"""A loop that ran for so long before it failed starts again as after a first failure."""

Loop = Callable[[], Awaitable[None]]


@dataclass
class Loops:
    """The background tasks of one process. `failures` counts the exceptions of each loop, by its name.

    A loop that returns has ended on purpose. One that raises is logged with its traceback and run again after a while.
    """

    chance: Chance = field(default_factory=Chance)
    sleep: Sleep = sleep_until
    failures: Counter[str] = field(default_factory=Counter)
    running: dict[str, Loop] = field(default_factory=dict)
    _never: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self, name: str, loop: Loop) -> asyncio.Task[None]:
        """Run the loop in a task of its own; cancelling the task ends it."""
        return asyncio.create_task(self.keep(name, loop), name=name)

    async def keep(self, name: str, loop: Loop, stopping: asyncio.Event | None = None) -> None:
        """Run the loop until it returns, is cancelled, or fails while `stopping`."""
        self.running[name] = loop
        attempt, stopping = 0, stopping or self._never
        try:
            while True:
                began = self.chance.elapsed()
                try:
                    await loop()
                except Exception as error:  # noqa: BLE001 - what a loop does must go on, whatever happened
                    attempt = 1 if self.chance.elapsed() - began >= STEADY_SECONDS else min(attempt + 1, MAX_ATTEMPT)
                    self.failed(name, error)
                else:
                    return
                if stopping.is_set():
                    return
                await self.sleep(back_off(attempt, self.chance.jitter(), self.chance.now()), stopping)
                if stopping.is_set():
                    return
        finally:
            self.running.pop(name, None)

    def failed(self, name: str, error: Exception) -> None:
        """Count a failure of a loop, and log it."""
        self.failures[name] += 1
        action = Action.DATABASE_UNAVAILABLE if isinstance(error, StoreUnavailable) else Action.LOOP_FAILED
        log(action, level="error", loop=name, error=error, trace=error, count=self.failures[name])
