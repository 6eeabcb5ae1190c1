"""Wake-ups within one process: everything is told of every commit, and rebuilt at start from the projection."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

from bot.cleanup import CLEANUP_INTERVAL, delete_expired
from bot.embedded_worker import EmbeddedWorker
from bot.engine import Engine
from bot.execution_backend import ExecutionBackend
from bot.loop_supervisor import LoopSupervisor
from bot.outbox_dispatcher import OutboxDispatcher
from bot.timer_service import TimerService


@dataclass
class EmbeddedBackend:
    """The worker, the courier and the clock of this process."""

    engine: Engine
    worker: EmbeddedWorker
    dispatcher: OutboxDispatcher
    timers: TimerService
    supervisor: LoopSupervisor
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """The courier first: what the worker then posts reaches it once."""
        await self.dispatcher.start()
        self.engine.listeners += [self.worker.on_commit, self.dispatcher.on_commit, self.timers.on_commit]
        await self.worker.start()
        self._tasks.append(self.supervisor.start("clock", self.timers.run))
        self._tasks.append(self.supervisor.start("housekeeping", self._run_cleanup))

    async def stop(self, grace_seconds: float) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(self.worker.stop(grace_seconds), self.dispatcher.stop(grace_seconds))

    @property
    def is_running(self) -> bool:
        """What was never started hears of no commit."""
        return self.worker.on_commit in self.engine.listeners

    @property
    def worker_ids(self) -> tuple[int, ...]:
        """None: nobody else works on the same file."""
        return ()

    async def _run_cleanup(self) -> None:
        never = asyncio.Event()
        while True:
            now = self.timers.clock.now()
            await self.engine.database.transaction(partial(delete_expired, now=now))
            await self.timers.sleep(now + CLEANUP_INTERVAL, never)


_: type[ExecutionBackend] = EmbeddedBackend
