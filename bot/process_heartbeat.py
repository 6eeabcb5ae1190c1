"""This process tells the others that it is there, and hears what they did to threads somebody follows here."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from agents.errors import HandrailError
from bot.engine import Engine
from bot.heartbeat import HeartbeatThread
from bot.ids import Clock
from bot.loop_supervisor import LoopSupervisor
from bot.sleep import Sleep
from storage.heartbeats import HeartbeatConnection
from storage.processes import Process, unregister_process
from storage.schedule import thread_versions

POLL_INTERVAL = timedelta(seconds=0.2)
"""How late a follower learns what another process wrote. Nothing is asked while nobody follows anything."""


def _no_worker_ids() -> Sequence[int]:
    return ()


@dataclass
class ProcessHeartbeat:
    """Runs in every process that shares its database with others. `workers` are the names under which it takes jobs."""

    engine: Engine
    process: Process
    clock: Clock
    sleep: Sleep
    supervisor: LoopSupervisor
    worker_ids: Callable[[], Sequence[int]] = _no_worker_ids
    _seen_versions: Mapping[str, int] = field(default_factory=dict)
    _connection: HeartbeatConnection | None = None
    _thread: HeartbeatThread | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _never_set: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        self._connection = HeartbeatConnection.for_url(self.engine.database.url)
        self._thread = HeartbeatThread(
            self.record_heartbeat, lambda error: self.supervisor.record_failure("heartbeat", error)
        )
        await asyncio.to_thread(self.record_heartbeat)
        self._thread.start()
        self._tasks = [self.supervisor.start("follow", self._poll_periodically)]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.stop)
        if self._connection is not None:
            self._connection.close()
        with suppress(HandrailError):  # others see that nothing was heard of this process any more
            await self.engine.database.transaction(lambda connection: unregister_process(connection, self.process.id))

    def record_heartbeat(self) -> None:
        """Say once that this process is there, in the thread of the caller. Raises StoreUnavailable."""
        if self._connection is not None:
            self._connection.record(self.process, self.worker_ids(), self.clock.now())

    async def _poll_periodically(self) -> None:
        while True:
            await self.sleep(self.clock.now() + POLL_INTERVAL, self._never_set)
            await self._poll_commits()

    async def _poll_commits(self) -> None:
        followed = await self.engine.watched_threads()
        found = await self.engine.database.read(lambda connection: thread_versions(connection, followed))
        for thread_id, version in found.items():
            if self._seen_versions.get(thread_id) != version:
                self.engine.notify(thread_id)
        self._seen_versions = found
