"""The port to whoever moves threads on after a commit; DESIGN §4 gives it two implementations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class ExecutionBackend(Protocol):
    """Embedded in this process, or jobs that any of several workers takes."""

    async def start(self) -> None:
        """Take up what was left, and begin."""
        ...

    async def stop(self, grace_seconds: float) -> None:
        """Take nothing new; let what runs end within `grace` seconds, then leave it to others or the next start."""
        ...

    @property
    def is_running(self) -> bool: ...

    @property
    def worker_ids(self) -> Sequence[int]:
        """The names under which this process takes jobs of others; its heartbeat speaks for them."""
        ...


@dataclass
class NoExecution:
    """Other processes do the work: this one only writes down that there is some."""

    is_running: bool = False
    worker_ids: Sequence[int] = ()

    async def start(self) -> None:
        self.is_running = True

    async def stop(self, grace_seconds: float) -> None:  # noqa: ARG002 - the port's signature
        self.is_running = False


_: type[ExecutionBackend] = NoExecution
