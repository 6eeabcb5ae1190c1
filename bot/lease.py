"""The fence between saying that a tool starts and letting it run.

The version keeps a process that was given up for dead from writing. It does not keep one from running a tool that was
frozen just after it had said that it would: by then others may have run it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

LEASE_SECONDS = 5.0
"""Seconds. Who falls silent is given up for dead after six at the earliest: it gave signs of life every two."""


class LeaseExpired(Exception):
    """Others may have taken over since: look before you go on."""


def seconds_since_boot() -> float:
    """A clock that never jumps, and goes on while the machine sleeps where the system has such a one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True)
class Lease:
    """Open for a while from the time at which it was last known that the attempt is ours."""

    monotonic: Callable[[], float]
    acquired_at: float

    def check(self) -> None:
        """In the thread that runs the tool, right before it does. Raises Late."""
        if self.monotonic() - self.acquired_at > LEASE_SECONDS:
            raise LeaseExpired
