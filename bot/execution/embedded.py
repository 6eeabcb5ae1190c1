"""Execution backend within one process. Its parts listen to commits and read unfinished work at start."""

import asyncio
from dataclasses import dataclass, field

from bot.delivery.dispatcher import OutboxDispatcher
from bot.execution.backend import ExecutionBackend
from bot.execution.cleanup import CLEANUP_INTERVAL, run_cleanup
from bot.execution.embedded_worker import EmbeddedWorker
from bot.execution.timers import TimerService
from bot.services.engine import Engine
from bot.services.retry import LoopSupervisor, Repeater


@dataclass
class EmbeddedBackend:
    """Runs the worker, the outbox dispatcher and the timers in this process."""

    engine: Engine
    worker: EmbeddedWorker
    dispatcher: OutboxDispatcher
    timers: TimerService
    repeater: Repeater
    supervisor: LoopSupervisor
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Start the dispatcher first, so that it receives each message of the worker exactly once."""
        await self.dispatcher.start()
        self.engine.listeners += [self.worker.on_commit, self.dispatcher.on_commit, self.timers.on_commit]
        await self.worker.start()
        self._tasks.append(self.supervisor.start("timers", self.timers.run))
        self._tasks.append(self.supervisor.start("cleanup", self._run_cleanup))

    async def stop(self, grace_seconds: float) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(self.worker.stop(grace_seconds), self.dispatcher.stop(grace_seconds))

    @property
    def is_running(self) -> bool:
        """Whether the backend was started."""
        return self.worker.on_commit in self.engine.listeners

    @property
    def worker_ids(self) -> tuple[int, ...]:
        """An empty tuple: no other process works on this database."""
        return ()

    async def _run_cleanup(self) -> None:
        await self.repeater.every(
            CLEANUP_INTERVAL, lambda: run_cleanup(self.engine.database, self.repeater.clock.now())
        )


_: type[ExecutionBackend] = EmbeddedBackend
