"""Wake-ups within one process: everything is told of every commit, and rebuilt at start from the projection."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

from bot.clock import Clock
from bot.courier import Courier
from bot.engine import Engine
from bot.housekeeping import INTERVAL, forget_the_old
from bot.loops import Loops
from bot.wakeups import WakeUps
from bot.worker import Worker


@dataclass
class Embedded:
    """The worker, the courier and the clock of this process."""

    engine: Engine
    worker: Worker
    courier: Courier
    clock: Clock
    loops: Loops
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """The courier first: what the worker then posts reaches it once."""
        await self.courier.start()
        self.engine.listeners += [self.worker.notice, self.courier.notice, self.clock.notice]
        await self.worker.start()
        self._tasks.append(self.loops.start("clock", self.clock.run))
        self._tasks.append(self.loops.start("housekeeping", self._keep_house))

    async def stop(self, grace: float) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(self.worker.stop(grace), self.courier.stop(grace))

    @property
    def running(self) -> bool:
        """What was never started hears of no commit."""
        return self.worker.notice in self.engine.listeners

    @property
    def worker_ids(self) -> tuple[int, ...]:
        """None: nobody else works on the same file."""
        return ()

    async def _keep_house(self) -> None:
        never = asyncio.Event()
        while True:
            now = self.clock.chance.now()
            await self.engine.database.run(partial(forget_the_old, now=now))
            await self.clock.sleep(now + INTERVAL, never)


_: type[WakeUps] = Embedded
