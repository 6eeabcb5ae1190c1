"""Port to the execution backend: the part that continues threads, delivers messages and fires timers after a commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class ExecutionBackend(Protocol):
    """Backend embedded in this process, or one that works on jobs shared with other processes (ADR 0015)."""

    async def start(self) -> None:
        """Start, and continue unfinished work."""
        ...

    async def stop(self, grace_seconds: float) -> None:
        """Take no new work; let running work end within `grace_seconds`, then leave it to others or the next start."""
        ...

    @property
    def is_running(self) -> bool: ...

    @property
    def worker_ids(self) -> Sequence[int]:
        """The ids of this process's job workers; its heartbeat covers them."""
        ...


@dataclass
class NoExecution:
    """Backend of a process that only enqueues jobs; other processes execute them."""

    is_running: bool = False
    worker_ids: Sequence[int] = ()

    async def start(self) -> None:
        self.is_running = True

    async def stop(self, grace_seconds: float) -> None:  # noqa: ARG002 - the port's signature
        self.is_running = False


_: type[ExecutionBackend] = NoExecution
