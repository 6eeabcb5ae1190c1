"""Process heartbeat: records that this process is alive and polls for commits made by other processes."""

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
"""Interval of the poll for commits of other processes. Without subscribers the poll sends no query."""


def _no_worker_ids() -> Sequence[int]:
    return ()


@dataclass
class ProcessHeartbeat:
    """Runs in every process that shares its database. `worker_ids` returns the ids of this process's job workers."""

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
        with suppress(HandrailError):  # without the row's removal, other processes notice the missing heartbeats
            await self.engine.database.transaction(lambda connection: unregister_process(connection, self.process.id))

    def record_heartbeat(self) -> None:
        """Record one heartbeat, blocking the calling thread. Raises StoreUnavailable."""
        if self._connection is not None:
            self._connection.record(self.process, self.worker_ids(), self.clock.now())

    async def _poll_periodically(self) -> None:
        while True:
            await self.sleep(self.clock.now() + POLL_INTERVAL, self._never_set)
            await self._poll_commits()

    async def _poll_commits(self) -> None:
        watched = await self.engine.watched_threads()
        versions = await self.engine.database.read(lambda connection: thread_versions(connection, watched))
        for thread_id, version in versions.items():
            if self._seen_versions.get(thread_id) != version:
                self.engine.notify(thread_id)
        self._seen_versions = versions
