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
WAIT_TIMEOUT_SECONDS = 90.0
"""Seconds until something that should have come by now is missed; never reached when all is well."""


@dataclass
class PooledProcess:
    """One process: `port` once it serves, `code` once it has ended."""

    number: int
    log: Path
    pool: "ProcessPool"
    port: int | None = None
    ready: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    exit_code: int | None = None

    def wait_until_ready(self) -> None:
        """Wait until it is."""
        assert self.ready.wait(WAIT_TIMEOUT_SECONDS), f"not ready: {self.log.read_text()}"
        assert not self.ended.is_set() or self.exit_code == 0 or self.was_killed, self.log.read_text()

    @property
    def was_killed(self) -> bool:
        return self.exit_code == -signal.SIGKILL

    def send_signal(self, signal_number: signal.Signals) -> None:
        self.pool.send_command({"id": self.number, "signal": signal_number})

    def wait(self, timeout_seconds: float = WAIT_TIMEOUT_SECONDS) -> int | None:
        """Wait for its end: its exit code, or minus the signal."""
        assert self.ended.wait(timeout_seconds), f"it goes on and on: {self.log.read_text()}"
        return self.exit_code

    def handle_message(self, fields: dict[str, Any]) -> None:
        self.port = fields.get("port", self.port)
        if "code" in fields:
            self.exit_code = fields["code"]
            self.ended.set()
        if "code" in fields or "ready" in fields:
            self.ready.set()  # nobody waits for one that has ended


class ProcessPool:
    """A zygote, and all it has started."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.crashes.fork_server"]
        self._fork_server = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._processes: dict[int, PooledProcess] = {}
        self._numbers = count(1)
        self._write_lock = threading.Lock()
        self._reader_thread = threading.Thread(target=self._read_messages, name="nursery")
        self._reader_thread.start()

    def start(self, arguments: Sequence[str], log: Path) -> PooledProcess:
        child = PooledProcess(next(self._numbers), log, self)
        self._processes[child.number] = child
        self.send_command({"id": child.number, "arguments": list(arguments), "log": str(log)})
        return child

    def send_command(self, command: dict[str, Any]) -> None:
        assert self._fork_server.stdin is not None
        with self._write_lock:
            self._fork_server.stdin.write(json.dumps(command).encode() + b"\n")
            self._fork_server.stdin.flush()

    def close(self) -> None:
        """End what still lives."""
        assert self._fork_server.stdin is not None
        assert self._fork_server.stdout is not None
        self._fork_server.stdin.close()
        self._fork_server.wait(WAIT_TIMEOUT_SECONDS)
        self._reader_thread.join(WAIT_TIMEOUT_SECONDS)
        self._fork_server.stdout.close()

    def _read_messages(self) -> None:
        assert self._fork_server.stdout is not None
        for line in self._fork_server.stdout:
            words = json.loads(line)
            self._processes[words["id"]].handle_message(words)


def wait_until(
    condition: Callable[[], object],
    describe_failure: Callable[[], object],
    timeout_seconds: float = WAIT_TIMEOUT_SECONDS,
) -> None:
    """Look again and again, less often by and by, until it is so; `otherwise` says what is missing."""
    deadline, moment, pause = time.monotonic() + timeout_seconds, threading.Event(), 0.01
    while not condition():
        assert time.monotonic() < deadline, describe_failure()
        moment.wait(pause)
        pause = min(1.1 * pause, 0.1)
