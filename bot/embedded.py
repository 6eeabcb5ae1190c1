"""Wake-ups within one process: everything is told of every commit, and rebuilt at start from the projection."""

import asyncio
from dataclasses import dataclass, field

from bot.clock import Clock
from bot.courier import Courier
from bot.engine import Engine
from bot.wakeups import WakeUps
from bot.worker import Worker


@dataclass
class Embedded:
    """The worker, the courier and the clock of this process."""

    engine: Engine
    worker: Worker
    courier: Courier
    clock: Clock
    _clock_task: asyncio.Task[None] | None = field(default=None)

    async def start(self) -> None:
        """The courier first: what the worker then posts reaches it once."""
        await self.courier.start()
        self.engine.listeners += [self.worker.notice, self.courier.notice, self.clock.notice]
        await self.worker.start()
        self._clock_task = asyncio.create_task(self.clock.run(), name="clock")

    async def stop(self, grace: float) -> None:
        if self._clock_task is not None:
            self._clock_task.cancel()
        await asyncio.gather(self.worker.stop(grace), self.courier.stop(grace))

    @property
    def running(self) -> bool:
        """What was never started hears of no commit."""
        return self.worker.notice in self.engine.listeners


_: type[WakeUps] = Embedded
