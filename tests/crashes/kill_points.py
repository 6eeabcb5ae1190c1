"""Kill points: the named places at which a process is killed or suspended, and at which occurrence."""

import os
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote


@dataclass
class KillPoint:
    """Kill point shared by processes: only the first to reach it is hit, once. An empty name is never reached.

    The marker file stays, so a test knows whether the point was reached. With `is_suspending` the process is stopped
    there instead of killed, and continues from this point when it is resumed.
    """

    folder: Path
    name: str = ""
    occurrence: int = 1
    is_suspending: bool = False
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def kill_if_reached(self, name: str) -> None:
        """Kill this process as `kill -9` does, or suspend it, if this is the kill point and the occurrence."""
        if not self.should_fail(name):
            return
        if self.is_suspending:
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread executes nothing more
            return
        os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()  # the kernel has not stopped this thread yet; it must execute nothing more

    def should_fail(self, name: str) -> bool:
        """Return whether this is the kill point and the occurrence, for faults that the process survives."""
        if name != self.name:
            return False
        with self._lock:
            self._count += 1
            return self._count == self.occurrence and self._create_marker()

    @property
    def marker(self) -> Path:
        return self.folder / f"reached {quote(self.name, safe=' ')} {self.occurrence}"

    def _create_marker(self) -> bool:
        try:
            os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return False
        return True
