"""Lease for starting a tool.

If the process stalled for more than LEASE_SECONDS after committing ToolStarted, another worker may have taken over and
run the tool. This process must then read the log again before it starts the tool. The version check of commits is not
enough: it prevents stale writes, but not a second run of the tool.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

LEASE_SECONDS = 5.0
"""Less than the 6 s without a heartbeat after which a process counts as dead at the earliest."""


class LeaseExpired(Exception):
    """Another worker may have taken over the tool call; read the log again before starting the tool."""


def seconds_since_boot() -> float:
    """Return a monotonic time that, where the system supports it, also advances while the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True)
class Lease:
    """Lease of LEASE_SECONDS from the time at which this process was last known to own the attempt."""

    monotonic: Callable[[], float]
    acquired_at: float

    def check(self) -> None:
        """Raise LeaseExpired if the lease is over. Call this right before the tool runs, in its OS thread."""
        if self.monotonic() - self.acquired_at > LEASE_SECONDS:
            raise LeaseExpired
