"""Client of the fork server: start, watch and kill processes."""

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

from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

ROOT = Path(__file__).parents[2]


@dataclass
class PooledProcess:
    """One process. `port` is set once it serves, `exit_code` once it has ended."""

    number: int
    log: Path
    pool: "ProcessPool"
    port: int | None = None
    ready: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    exit_code: int | None = None

    def wait_until_ready(self) -> None:
        """Wait until the process is ready, has ended by itself with code 0, or was killed."""
        assert self.ready.wait(WAIT_TIMEOUT_SECONDS), f"not ready: {self.log.read_text()}"
        assert not self.ended.is_set() or self.exit_code == 0 or self.was_killed, self.log.read_text()

    @property
    def was_killed(self) -> bool:
        return self.exit_code == -signal.SIGKILL

    def send_signal(self, signal_number: signal.Signals) -> None:
        self.pool.send_command({"id": self.number, "signal": signal_number})

    def wait(self, timeout_seconds: float = WAIT_TIMEOUT_SECONDS) -> int | None:
        """Wait for the end of the process. Returns its exit code, or minus the signal number."""
        assert self.ended.wait(timeout_seconds), f"the process does not end: {self.log.read_text()}"
        return self.exit_code

    def handle_message(self, fields: dict[str, Any]) -> None:
        self.port = fields.get("port", self.port)
        if "code" in fields:
            self.exit_code = fields["code"]
            self.ended.set()
        if "code" in fields or "ready" in fields:
            self.ready.set()  # an ended process will not become ready


class ProcessPool:
    """A fork server and the processes it has started."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.crashes.fork_server"]
        self._fork_server = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._processes: dict[int, PooledProcess] = {}
        self._numbers = count(1)
        self._write_lock = threading.Lock()
        self._reader_thread = threading.Thread(target=self._read_messages, name="process pool")
        self._reader_thread.start()

    def start(self, arguments: Sequence[str], log: Path) -> PooledProcess:
        process = PooledProcess(next(self._numbers), log, self)
        self._processes[process.number] = process
        self.send_command({"id": process.number, "arguments": list(arguments), "log": str(log)})
        return process

    def send_command(self, command: dict[str, Any]) -> None:
        assert self._fork_server.stdin is not None
        with self._write_lock:
            self._fork_server.stdin.write(json.dumps(command).encode() + b"\n")
            self._fork_server.stdin.flush()

    def close(self) -> None:
        """Stop the fork server, which kills its processes."""
        assert self._fork_server.stdin is not None
        assert self._fork_server.stdout is not None
        self._fork_server.stdin.close()
        self._fork_server.wait(WAIT_TIMEOUT_SECONDS)
        self._reader_thread.join(WAIT_TIMEOUT_SECONDS)
        self._fork_server.stdout.close()

    def _read_messages(self) -> None:
        assert self._fork_server.stdout is not None
        for line in self._fork_server.stdout:
            message = json.loads(line)
            self._processes[message["id"]].handle_message(message)


def wait_until(
    condition: Callable[[], object],
    describe_failure: Callable[[], object],
    timeout_seconds: float = WAIT_TIMEOUT_SECONDS,
) -> None:
    """Poll the condition at growing intervals. On timeout, fail with the text of `describe_failure`."""
    deadline, timer, interval = time.monotonic() + timeout_seconds, threading.Event(), 0.01
    while not condition():
        assert time.monotonic() < deadline, describe_failure()
        timer.wait(interval)
        interval = min(1.1 * interval, 0.1)
