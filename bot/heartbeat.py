"""The heartbeat: a thread of its own says that the process is there, also while its event loop is busy.

Others take over the work of a process that falls silent. One whose loop is blocked for a while is alive: what it has
finished would be called unknown, and started again. A loop that is blocked for good must be noticed all the same, so
the thread falls silent once the loop has not turned for MAX_BLOCKED_SECONDS.
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
    """Calls `beat` in a thread, again and again. `failed` is told what it raises; the next beat follows all the same.

    `elapsed` is seconds since some time ago. It stands still while the machine is suspended, as the loop does.
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
        """Begin. To be called on the event loop whose turns are watched."""
        loop, watched = asyncio.get_running_loop(), threading.get_ident()
        self._loop_seen_at = self.monotonic()
        self._thread = threading.Thread(target=self._run, args=(loop, watched), name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, after the beat it may be in."""
        self._stop_event.set()
        if self._thread is not None:
            self._thread.join()

    def mark_loop_alive(self) -> None:
        """Take note that the event loop turns."""
        self._loop_seen_at = self.monotonic()

    def tick(self, loop_thread_id: int) -> None:
        """Beat, unless the event loop has been blocked for so long that it counts as dead."""
        blocked = self.monotonic() - self._loop_seen_at
        if blocked < MAX_BLOCKED_SECONDS:
            self._is_silent = False
            self._try_record()
        elif not self._is_silent:
            self._is_silent = True
            log(LogEvent.LOOP_BLOCKED, level="error", seconds=blocked, trace=_thread_traceback(loop_thread_id))

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
        except Exception as error:  # noqa: BLE001 - the process is alive, whatever the database says
            self.on_error(error)


def _thread_traceback(thread_id: int) -> Exception:
    """Where a thread stands, as the traceback of an error."""
    place, frame = None, sys._current_frames().get(thread_id)  # noqa: SLF001 - its documented purpose is this one
    while frame is not None:
        place = TracebackType(place, frame, frame.f_lasti, frame.f_lineno)
        frame = frame.f_back
    return TimeoutError().with_traceback(place)
