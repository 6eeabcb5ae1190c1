"""The test's side of the zygote: processes that are started, watched and killed."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0
"""Seconds until something that should have come by now is missed; never reached when all is well."""


@dataclass
class Child:
    """One process: `port` once it serves, `code` once it has ended."""

    name: int
    log: Path
    nursery: "Nursery"
    port: int | None = None
    ready: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    code: int | None = None

    def is_ready(self) -> None:
        """Wait until it is."""
        assert self.ready.wait(PATIENCE), f"not ready: {self.log.read_text()}"
        assert not self.ended.is_set() or self.code == 0 or self.was_killed, self.log.read_text()

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL

    def gets(self, what: signal.Signals) -> None:
        self.nursery.order({"id": self.name, "signal": what})

    def ends(self, within: float = PATIENCE) -> int | None:
        """Wait for its end: its exit code, or minus the signal."""
        assert self.ended.wait(within), f"it goes on and on: {self.log.read_text()}"
        return self.code

    def heard(self, words: dict[str, Any]) -> None:
        self.port = words.get("port", self.port)
        if "code" in words:
            self.code = words["code"]
            self.ended.set()
        if "code" in words or "ready" in words:
            self.ready.set()  # nobody waits for one that has ended


class Nursery:
    """A zygote, and all it has started."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.crashes.zygote"]
        self._zygote = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._children: dict[int, Child] = {}
        self._names = count(1)
        self._speaking = threading.Lock()
        self._listener = threading.Thread(target=self._listen, name="nursery")
        self._listener.start()

    def start(self, arguments: Sequence[str], log: Path) -> Child:
        child = Child(next(self._names), log, self)
        self._children[child.name] = child
        self.order({"id": child.name, "arguments": list(arguments), "log": str(log)})
        return child

    def order(self, order: dict[str, Any]) -> None:
        assert self._zygote.stdin is not None
        with self._speaking:
            self._zygote.stdin.write(json.dumps(order).encode() + b"\n")
            self._zygote.stdin.flush()

    def close(self) -> None:
        """End what still lives."""
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.close()
        self._zygote.wait(PATIENCE)
        self._listener.join(PATIENCE)
        self._zygote.stdout.close()

    def _listen(self) -> None:
        assert self._zygote.stdout is not None
        for line in self._zygote.stdout:
            words = json.loads(line)
            self._children[words["id"]].heard(words)


def until(so: Callable[[], object], otherwise: Callable[[], object], within: float = PATIENCE) -> None:
    """Look again and again, less often by and by, until it is so; `otherwise` says what is missing."""
    deadline, moment, pause = time.monotonic() + within, threading.Event(), 0.01
    while not so():
        assert time.monotonic() < deadline, otherwise()
        moment.wait(pause)
        pause = min(1.1 * pause, 0.1)
