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

from bot.log import Action, log

HEARTBEAT_SECONDS = 2.0
MAX_BLOCKED_SECONDS = 120.0


@dataclass
class Heartbeat:
    """Calls `beat` in a thread, again and again. `failed` is told what it raises; the next beat follows all the same.

    `elapsed` is seconds since some time ago. It stands still while the machine is suspended, as the loop does.
    """

    beat: Callable[[], None]
    failed: Callable[[Exception], None]
    elapsed: Callable[[], float] = time.monotonic
    interval: float = HEARTBEAT_SECONDS
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _turned_at: float = 0.0
    _is_silent: bool = False

    def start(self) -> None:
        """Begin. To be called on the event loop whose turns are watched."""
        loop, watched = asyncio.get_running_loop(), threading.get_ident()
        self._turned_at = self.elapsed()
        self._thread = threading.Thread(target=self._run, args=(loop, watched), name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, after the beat it may be in."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def turned(self) -> None:
        """Take note that the event loop turns."""
        self._turned_at = self.elapsed()

    def act(self, watched: int) -> None:
        """Beat, unless the event loop has been blocked for so long that it counts as dead."""
        blocked = self.elapsed() - self._turned_at
        if blocked < MAX_BLOCKED_SECONDS:
            self._is_silent = False
            self._try()
        elif not self._is_silent:
            self._is_silent = True
            log(Action.LOOP_BLOCKED, level="error", seconds=blocked, trace=_standing(watched))

    def _run(self, loop: asyncio.AbstractEventLoop, watched: int) -> None:
        while not self._stopping.wait(self.interval):
            self.act(watched)
            try:
                loop.call_soon_threadsafe(self.turned)
            except RuntimeError:  # the loop is closed
                return

    def _try(self) -> None:
        try:
            self.beat()
        except Exception as error:  # noqa: BLE001 - the process is alive, whatever the database says
            self.failed(error)


def _standing(thread: int) -> Exception:
    """Where a thread stands, as the traceback of an error."""
    place, frame = None, sys._current_frames().get(thread)  # noqa: SLF001 - its documented purpose is this one
    while frame is not None:
        place = TracebackType(place, frame, frame.f_lasti, frame.f_lineno)
        frame = frame.f_back
    return TimeoutError().with_traceback(place)
