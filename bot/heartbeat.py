"""OS thread that reports that the process is alive, also while the event loop is busy.

Other processes take over the work of a process without a heartbeat. A process whose loop is blocked for a while is
alive: taking over its work would repeat tool calls that have finished. To detect a loop that is blocked for good, the
heartbeat stops once the loop has not run for MAX_BLOCKED_SECONDS.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from bot.log import LogEvent, log

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
        """Start the thread. Call this on the event loop to be monitored."""
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
