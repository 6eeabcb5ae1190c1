"""The port to whoever moves threads on after a commit; DESIGN §4 gives it two implementations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class WakeUps(Protocol):
    """Embedded in this process, or jobs that any of several workers takes."""

    async def start(self) -> None:
        """Take up what was left, and begin."""
        ...

    async def stop(self, grace: float) -> None:
        """Take nothing new; let what runs end within `grace` seconds, then leave it to others or the next start."""
        ...

    @property
    def running(self) -> bool: ...

    @property
    def worker_ids(self) -> Sequence[int]:
        """The names under which this process takes jobs of others; its heartbeat speaks for them."""
        ...


@dataclass
class Elsewhere:
    """Other processes do the work: this one only writes down that there is some."""

    running: bool = False
    worker_ids: Sequence[int] = ()

    async def start(self) -> None:
        self.running = True

    async def stop(self, grace: float) -> None:  # noqa: ARG002 - the port's signature
        self.running = False


_: type[WakeUps] = Elsewhere
