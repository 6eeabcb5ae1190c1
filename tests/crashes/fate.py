"""Fate: where a process is to end or to stand still, and at the how-manieth time it gets there."""

import os
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote


@dataclass
class Fate:
    """Meets one process once, however many share it: whoever makes the mark first is the one.

    The mark stays, so that a test knows whether the place was ever reached. No `place` is no fate. A process that
    `stands` there instead of ending goes on from this very place when it is woken, hours later perhaps.
    """

    folder: Path
    place: str = ""
    nth: int = 1
    stands: bool = False
    _times: int = 0
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def meets(self, place: str) -> None:
        """End here, as kill -9 does, or stand still, when this is the place and the time."""
        if not self.spares(place):
            return
        if self.stands:
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread first, so it does nothing more
            return
        os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()  # the kernel ends every thread at its next step, this one too

    def spares(self, place: str) -> bool:
        """Whether this is the place and the time, for a trouble one outlives."""
        if place != self.place:
            return False
        with self._counting:
            self._times += 1
            return self._times == self.nth and self._leaves_its_mark()

    @property
    def mark(self) -> Path:
        return self.folder / f"met {quote(self.place, safe=' ')} {self.nth}"

    def _leaves_its_mark(self) -> bool:
        try:
            os.close(os.open(self.mark, os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return False
        return True
