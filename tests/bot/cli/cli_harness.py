"""`handrail` as people run it: a process in a folder of its own, with nothing of this machine's environment."""

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

ROOT = Path(__file__).parents[3]
WAIT_TIMEOUT_SECONDS = 60.0
"""Seconds until something that should have come by now is missed; never reached when all is well."""

PROGRAM = (sys.executable, "-m", "bot.cli")


@dataclass(frozen=True)
class CommandResult:
    """How a command ended."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The JSON values of its lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class InteractiveProcess:
    """A process that is still there; what it says is read as it comes."""

    process: subprocess.Popen[bytes]
    output: str = ""

    def wait_for_output(self, text: str) -> str:
        """Everything it said up to now, as soon as `text` is in it."""
        end = time.monotonic() + WAIT_TIMEOUT_SECONDS
        while text not in self.output:
            assert self.read_more(timeout_seconds=end - time.monotonic()), (
                f"{text!r} never came; it said: {self.output}"
            )
        return self.output

    def read_more(self, timeout_seconds: float) -> bool:
        """Hear what it says next, if it says anything in so many seconds."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, timeout_seconds))
        piece = os.read(self.process.stdout.fileno(), 65536) if ready else b""
        self.output += piece.decode()
        return bool(piece)

    def type_line(self, line: str) -> None:
        """Type a line; what was said before it is forgotten."""
        assert self.process.stdin is not None
        self.output = ""
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end: its exit code."""
        self.process.send_signal(with_signal)
        return self.process.wait(WAIT_TIMEOUT_SECONDS)


def _read_terminal(terminal: int) -> Iterator[str]:
    """What a terminal shows until its program ends."""
    while select.select([terminal], [], [], WAIT_TIMEOUT_SECONDS)[0]:
        try:
            yield os.read(terminal, 65536).decode()
        except OSError:  # as Linux says that no program is there any more
            return
    pytest.fail(f"nothing happened at the terminal for {WAIT_TIMEOUT_SECONDS} s")


@dataclass
class CliFolder:
    """A folder somebody works in."""

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, **environment: str) -> CommandResult:
        """Run a command to its end."""
        ended = subprocess.run(
            [*PROGRAM, *arguments],
            cwd=self.path,
            env=self._variables(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WAIT_TIMEOUT_SECONDS,
            check=False,
        )
        return CommandResult(ended.returncode, ended.stdout, ended.stderr)

    def run_in_terminal(self, *arguments: str, typed: str, **environment: str) -> CommandResult:
        """Run a command to its end in a terminal where `typed` was typed; all it shows is its output."""
        ours, theirs = pty.openpty()
        os.write(ours, typed.encode())
        with subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=self.path,
            env=self._variables(environment),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            shown = "".join(_read_terminal(ours))
            process.wait(WAIT_TIMEOUT_SECONDS)
        os.close(ours)
        return CommandResult(process.returncode, shown.replace("\r\n", "\n"), "")

    @contextmanager
    def start(self, *arguments: str, wrapper: Sequence[str] = (), **environment: str) -> Iterator[InteractiveProcess]:
        """Start a command and talk with it; it is gone at the end, one way or another.

        `before` is a program that becomes the command.
        """
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
        """A server, ready to be used; commands of this folder find it."""
        with self.start("up", "--port", port, *arguments, **environment) as talking:
            talking.wait_for_output("Ctrl-C stops it")
            found = talking.output.partition("Handrail is at http://127.0.0.1:")[2].partition("\n")[0]
            yield RunningServer(CliFolder(self.path, {**self.environment, "PORT": found}), talking, found)

    def run_git(self, *arguments: str) -> str:
        """What git says of the sample's remote."""
        remote = f"--git-dir={self.path}/.handrail/sample/remote.git"
        return subprocess.run(["git", remote, *arguments], capture_output=True, text=True, check=True).stdout.strip()

    def _variables(self, extra: Mapping[str, str]) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}  # noqa: TID251 - of the machine
        return {**kept, "PYTHONPATH": str(ROOT), **self.environment, **extra}


@dataclass(frozen=True)
class RunningServer:
    """A running server, and the folder whose commands talk to it."""

    folder: CliFolder
    process: InteractiveProcess
    port: str

    def kill(self) -> None:
        """End it in the midst of whatever it does."""
        self.process.stop(signal.SIGKILL)
