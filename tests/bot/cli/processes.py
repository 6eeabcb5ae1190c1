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
PATIENCE = 60.0
"""Seconds until something that should have come by now is missed; never reached when all is well."""

PROGRAM = (sys.executable, "-m", "bot.cli")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
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
class Talking:
    """A process that is still there; what it says is read as it comes."""

    process: subprocess.Popen[bytes]
    said: str = ""

    def until(self, text: str) -> str:
        """Everything it said up to now, as soon as `text` is in it."""
        end = time.monotonic() + PATIENCE
        while text not in self.said:
            assert self.says_more(within=end - time.monotonic()), f"{text!r} never came; it said: {self.said}"
        return self.said

    def says_more(self, within: float) -> bool:
        """Hear what it says next, if it says anything in so many seconds."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, within))
        piece = os.read(self.process.stdout.fileno(), 65536) if ready else b""
        self.said += piece.decode()
        return bool(piece)

    def type(self, line: str) -> None:
        """Type a line; what was said before it is forgotten."""
        assert self.process.stdin is not None
        self.said = ""
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end: its exit code."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)


def _shown_at(terminal: int) -> Iterator[str]:
    """What a terminal shows until its program ends."""
    while select.select([terminal], [], [], PATIENCE)[0]:
        try:
            yield os.read(terminal, 65536).decode()
        except OSError:  # as Linux says that no program is there any more
            return
    pytest.fail(f"nothing happened at the terminal for {PATIENCE} s")


@dataclass
class Folder:
    """A folder somebody works in."""

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, **environment: str) -> Ended:
        """Run a command to its end."""
        ended = subprocess.run(
            [*PROGRAM, *arguments],
            cwd=self.path,
            env=self._variables(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def at_terminal(self, *arguments: str, typed: str, **environment: str) -> Ended:
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
            shown = "".join(_shown_at(ours))
            process.wait(PATIENCE)
        os.close(ours)
        return Ended(process.returncode, shown.replace("\r\n", "\n"), "")

    @contextmanager
    def talking(self, *arguments: str, before: Sequence[str] = (), **environment: str) -> Iterator[Talking]:
        """Start a command and talk with it; it is gone at the end, one way or another.

        `before` is a program that becomes the command.
        """
        process = subprocess.Popen(
            [*before, *PROGRAM, *arguments],
            cwd=self.path,
            env=self._variables(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with process:
            try:
                yield Talking(process)
            finally:
                process.kill()

    @contextmanager
    def up(self, *arguments: str, port: str = "0", **environment: str) -> Iterator["Server"]:
        """A server, ready to be used; commands of this folder find it."""
        with self.talking("up", "--port", port, *arguments, **environment) as talking:
            talking.until("Ctrl-C stops it")
            found = talking.said.partition("Handrail is at http://127.0.0.1:")[2].partition("\n")[0]
            yield Server(Folder(self.path, {**self.environment, "PORT": found}), talking, found)

    def git(self, *arguments: str) -> str:
        """What git says of the sample's remote."""
        remote = f"--git-dir={self.path}/.handrail/sample/remote.git"
        return subprocess.run(["git", remote, *arguments], capture_output=True, text=True, check=True).stdout.strip()

    def _variables(self, more: Mapping[str, str]) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}  # noqa: TID251 - of the machine
        return {**kept, "PYTHONPATH": str(ROOT), **self.environment, **more}


@dataclass(frozen=True)
class Server:
    """A running server, and the folder whose commands talk to it."""

    folder: Folder
    talking: Talking
    port: str

    def kill(self) -> None:
        """End it in the midst of whatever it does."""
        self.talking.stop(signal.SIGKILL)
