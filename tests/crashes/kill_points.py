"""Fate: where a process is to end or to stand still, and at the how-manieth time it gets there."""

import os
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote


@dataclass
class KillPoint:
    """Meets one process once, however many share it: whoever makes the mark first is the one.

    The mark stays, so that a test knows whether the place was ever reached. No `place` is no fate. A process that
    `stands` there instead of ending goes on from this very place when it is woken, hours later perhaps.
    """

    folder: Path
    name: str = ""
    occurrence: int = 1
    is_suspending: bool = False
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reached(self, name: str) -> None:
        """End here, as kill -9 does, or stand still, when this is the place and the time."""
        if not self.should_fail(name):
            return
        if self.is_suspending:
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread first, so it does nothing more
            return
        os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()  # the kernel ends every thread at its next step, this one too

    def should_fail(self, name: str) -> bool:
        """Whether this is the place and the time, for a trouble one outlives."""
        if name != self.name:
            return False
        with self._lock:
            self._count += 1
            return self._count == self.occurrence and self._create_marker()

    @property
    def marker(self) -> Path:
        return self.folder / f"met {quote(self.name, safe=' ')} {self.occurrence}"

    def _create_marker(self) -> bool:
        try:
            os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return False
        return True
