"""Real `handrail` processes of one bot, with one folder, environment and database."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx2

START_TIMEOUT_SECONDS = 90.0
HANDRAIL = str(Path(sys.executable).with_name("handrail"))
HTTP_COMMANDS = ("up", "web")
"""Commands whose process serves HTTP."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class ServerProcesses:
    """One process for each of the `handrail` commands. The port is the same after a restart."""

    folder: Path
    environment: Mapping[str, str]
    commands: tuple[str, ...] = ("up",)
    port: int = field(default_factory=free_port)
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_text(self) -> str:
        """Log of all processes since the first start."""
        return (self.folder / "server.log").read_text(encoding="utf-8")

    async def start(self) -> None:
        """Start all processes and wait until they are ready."""
        self.start_without_waiting()
        async with (
            asyncio.timeout(START_TIMEOUT_SECONDS),
            httpx2.AsyncClient(base_url=self.url, trust_env=False) as client,
        ):
            while not await _is_ready(client):
                assert all(process.poll() is None for process in self._processes), self.log_text
                await asyncio.to_thread(self._pause)

    def start_without_waiting(self) -> None:
        """Start all processes without waiting until they are ready."""
        with (self.folder / "server.log").open("ab") as log:
            self._processes = [self._start_process(command, log) for command in self.commands]

    async def kill(self) -> None:
        """Send SIGKILL to all processes."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            await asyncio.to_thread(process.wait, 10)

    async def stop(self) -> list[int]:
        """Send SIGTERM to all processes and return their exit codes."""
        for process in self._processes:
            process.terminate()
        return [await asyncio.to_thread(process.wait, 15) for process in self._processes]

    def run_command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a `handrail` command in the folder of the processes."""
        return subprocess.run(
            [HANDRAIL, *arguments],
            cwd=self.folder,
            env={**self.environment, "HANDRAIL_URL": self.url, **environment},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def _start_process(self, command: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
        arguments = ("--port", str(self.port)) if command in HTTP_COMMANDS else ()
        return subprocess.Popen(
            [HANDRAIL, command, *arguments], cwd=self.folder, env=self.environment, stdout=log, stderr=log
        )

    def _pause(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._processes[0].wait(0.03)


async def _is_ready(client: httpx2.AsyncClient) -> bool:
    with suppress(httpx2.TransportError):
        return (await client.get("/readyz")).status_code == httpx2.codes.OK
    return False
