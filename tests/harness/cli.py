"""Test harness: runs `handrail` in its own process and folder, without this machine's environment variables."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

ROOT = Path(__file__).parents[2]

PROGRAM = (sys.executable, "-m", "bot.cli")


@dataclass(frozen=True)
class CommandResult:
    """Exit code and output of a command."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """JSON values of the output's lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class InteractiveProcess:
    """Running process whose output can be awaited."""

    process: subprocess.Popen[bytes]
    output: str = ""

    def wait_for_output(self, text: str) -> str:
        """Return the output since the last typed line, as soon as it contains `text`."""
        deadline = time.monotonic() + WAIT_TIMEOUT_SECONDS
        while text not in self.output:
            assert self.read_more(timeout_seconds=deadline - time.monotonic()), (
                f"{text!r} was never printed; output: {self.output}"
            )
        return self.output

    def read_more(self, timeout_seconds: float) -> bool:
        """Read the next output; return whether there was any before the timeout."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, timeout_seconds))
        chunk = os.read(self.process.stdout.fileno(), 65536) if ready else b""
        self.output += chunk.decode()
        return bool(chunk)

    def type_line(self, line: str) -> None:
        """Type a line and clear the output."""
        assert self.process.stdin is not None
        self.output = ""
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit code."""
        self.process.send_signal(with_signal)
        return self.process.wait(WAIT_TIMEOUT_SECONDS)


def _read_terminal(terminal: int) -> Iterator[str]:
    """Yield the output of a terminal until its program ends."""
    while select.select([terminal], [], [], WAIT_TIMEOUT_SECONDS)[0]:
        try:
            yield os.read(terminal, 65536).decode()
        except OSError:  # Linux reports that the program has ended
            return
    pytest.fail(f"nothing happened at the terminal for {WAIT_TIMEOUT_SECONDS} s")


@dataclass
class CliFolder:
    """Folder in which commands are run."""

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, **environment: str) -> CommandResult:
        """Run a command to its end."""
        completed = subprocess.run(
            [*PROGRAM, *arguments],
            cwd=self.path,
            env=self._variables(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WAIT_TIMEOUT_SECONDS,
            check=False,
        )
        return CommandResult(completed.returncode, completed.stdout, completed.stderr)

    def run_in_terminal(self, *arguments: str, typed: str, **environment: str) -> CommandResult:
        """Run a command to its end in a terminal where `typed` was typed. `out` has all of its output."""
        controller_fd, terminal_fd = pty.openpty()
        os.write(controller_fd, typed.encode())
        with subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=self.path,
            env=self._variables(environment),
            stdin=terminal_fd,
            stdout=terminal_fd,
            stderr=terminal_fd,
            start_new_session=True,
        ) as process:
            os.close(terminal_fd)
            output = "".join(_read_terminal(controller_fd))
            process.wait(WAIT_TIMEOUT_SECONDS)
        os.close(controller_fd)
        return CommandResult(process.returncode, output.replace("\r\n", "\n"), "")

    @contextmanager
    def start(self, *arguments: str, wrapper: Sequence[str] = (), **environment: str) -> Iterator[InteractiveProcess]:
        """Start a command and kill it at the end. `wrapper` is a program that executes the command."""
        process = subprocess.Popen(
            [*wrapper, *PROGRAM, *arguments],
            cwd=self.path,
            env=self._variables(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with process:
            try:
                yield InteractiveProcess(process)
            finally:
                process.kill()

    @contextmanager
    def running_server(self, *arguments: str, port: str = "0", **environment: str) -> Iterator["RunningServer"]:
        """Start a server and wait until it is ready."""
        with self.start("up", "--port", port, *arguments, **environment) as process:
            process.wait_for_output("Ctrl-C stops it")
            actual_port = process.output.partition("Handrail is at http://127.0.0.1:")[2].partition("\n")[0]
            yield RunningServer(CliFolder(self.path, {**self.environment, "PORT": actual_port}), process, actual_port)

    def run_git(self, *arguments: str) -> str:
        """Return the output of a git command on the sample's remote."""
        remote = f"--git-dir={self.path}/.handrail/sample/remote.git"
        return subprocess.run(["git", remote, *arguments], capture_output=True, text=True, check=True).stdout.strip()

    def _variables(self, extra: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}  # noqa: TID251 - a test
        # all folders would receive mail at the same default port
        own = {"PYTHONPATH": str(ROOT), "SMTP_LISTEN": ""}
        return {**inherited, **own, **self.environment, **extra}


@dataclass(frozen=True)
class RunningServer:
    """Running server, and the folder whose commands use it."""

    folder: CliFolder
    process: InteractiveProcess
    port: str

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        self.process.stop(signal.SIGKILL)
