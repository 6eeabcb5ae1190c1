"""OS thread that reports that the process is alive, also while the event loop is busy.

Other processes take over the work of a process without a heartbeat. A process whose loop is blocked for a while is
alive: taking over its work would repeat tool calls that have finished. To detect a loop that is blocked for good, the
heartbeat stops once the loop has not run for MAX_BLOCKED_SECONDS.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType

from agents.core.errors import HandrailError
from bot.log import LogEvent, log
from bot.services.engine import Engine
from bot.services.retry import LoopSupervisor, Repeater
from storage.processes import HeartbeatConnection, Process, unregister_process
from storage.schedule import thread_versions

HEARTBEAT_INTERVAL_SECONDS = 2.0
MAX_BLOCKED_SECONDS = 120.0


@dataclass
class HeartbeatThread:
    """Calls `record_heartbeat` periodically in an OS thread. Passes its exceptions to `on_error` and continues.

    `monotonic` returns seconds and, like the event loop, does not advance while the machine is suspended.
    """

    record_heartbeat: Callable[[], None]
    on_error: Callable[[Exception], None]
    monotonic: Callable[[], float] = time.monotonic
    interval_seconds: float = HEARTBEAT_INTERVAL_SECONDS
    _stop_event: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _loop_seen_at: float = 0.0
    _is_silent: bool = False

    def start(self) -> None:
        """Start the OS thread. Call this on the event loop to be monitored."""
        loop, loop_thread_id = asyncio.get_running_loop(), threading.get_ident()
        self._loop_seen_at = self.monotonic()
        self._thread = threading.Thread(target=self._run, args=(loop, loop_thread_id), name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its current heartbeat."""
        self._stop_event.set()
        if self._thread is not None:
            self._thread.join()

    def mark_loop_alive(self) -> None:
        """Record that the event loop is running."""
        self._loop_seen_at = self.monotonic()

    def tick(self, loop_thread_id: int) -> None:
        """Record a heartbeat, unless the event loop has been blocked for MAX_BLOCKED_SECONDS."""
        blocked_seconds = self.monotonic() - self._loop_seen_at
        if blocked_seconds < MAX_BLOCKED_SECONDS:
            self._is_silent = False
            self._try_record()
        elif not self._is_silent:
            self._is_silent = True
            log(LogEvent.LOOP_BLOCKED, level="error", seconds=blocked_seconds, trace=_thread_traceback(loop_thread_id))

    def _run(self, loop: asyncio.AbstractEventLoop, loop_thread_id: int) -> None:
        while not self._stop_event.wait(self.interval_seconds):
            self.tick(loop_thread_id)
            try:
                loop.call_soon_threadsafe(self.mark_loop_alive)
            except RuntimeError:  # the loop is closed
                return

    def _try_record(self) -> None:
        try:
            self.record_heartbeat()
        except Exception as error:  # noqa: BLE001 - the process is alive even if the database is not
            self.on_error(error)


def _thread_traceback(thread_id: int) -> Exception:
    """Return an error whose traceback is the current stack of a thread."""
    stack, frame = None, sys._current_frames().get(thread_id)  # noqa: SLF001 - documented for this purpose
    while frame is not None:
        stack = TracebackType(stack, frame, frame.f_lasti, frame.f_lineno)
        frame = frame.f_back
    return TimeoutError().with_traceback(stack)


POLL_INTERVAL = timedelta(seconds=0.2)
"""Interval of the poll for commits of other processes. Without subscribers the poll sends no query."""


def _no_worker_ids() -> Sequence[int]:
    return ()


@dataclass
class ProcessHeartbeat:
    """Runs in every process that shares its database: records heartbeats, and polls for commits of other processes.

    `worker_ids` returns the ids of this process's job workers.
    """

    engine: Engine
    process: Process
    repeater: Repeater
    supervisor: LoopSupervisor
    worker_ids: Callable[[], Sequence[int]] = _no_worker_ids
    _seen_versions: Mapping[str, int] = field(default_factory=dict)
    _connection: HeartbeatConnection | None = None
    _thread: HeartbeatThread | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        self._connection = HeartbeatConnection.for_url(self.engine.database.url)
        self._thread = HeartbeatThread(
            self.record_heartbeat, lambda error: self.supervisor.record_failure("heartbeat", error)
        )
        await asyncio.to_thread(self.record_heartbeat)
        self._thread.start()
        self._tasks = [self.supervisor.start("follow", self._follow_commits)]

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
            self._connection.record(self.process, self.worker_ids(), self.repeater.clock.now())

    async def _follow_commits(self) -> None:
        await self.repeater.every(POLL_INTERVAL, self._poll_commits)

    async def _poll_commits(self) -> None:
        watched = await self.engine.watched_threads()
        versions = await self.engine.database.read(lambda connection: thread_versions(connection, watched))
        for thread_id, version in versions.items():
            if self._seen_versions.get(thread_id) != version:
                self.engine.notify(thread_id)
        self._seen_versions = versions
