"""Faults of Web API calls that a test plans."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Literal

CutTiming = Literal["before", "after"]


@dataclass(frozen=True)
class Fault:
    """Fault of one call: an error, an HTTP status, or a connection cut `before` or `after` the call takes effect.

    With an `html_page` the connection is not cut; the page is the response instead.
    """

    error: str | None = None
    retry_after: int | None = None
    status: int = 200
    cut_timing: CutTiming | None = None
    html_page: str | None = None


@dataclass
class Faults:
    """Planned faults by method, in order."""

    pending: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))

    def add(self, method: str, fault: Fault) -> None:
        self.pending[method].append(fault)

    def take_next(self, method: str) -> Fault | None:
        """Remove and return the next fault of a method, None if there is none."""
        return self.pending[method].popleft() if self.pending[method] else None

    @property
    def unused(self) -> list[str]:
        """Descriptions of the planned faults that did not occur."""
        return [f"a planned fault of {method} did not occur" for method, faults in self.pending.items() if faults]
