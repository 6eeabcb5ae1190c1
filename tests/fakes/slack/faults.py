"""What goes wrong with calls of the Web API, because a test wants it."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Literal

CutTiming = Literal["before", "after"]


@dataclass(frozen=True)
class Fault:
    """For one call: an error, another status, or a connection cut `before` or `after` the call had its effect.

    With a `page` the connection is not cut: this text, which is no JSON, is the answer.
    """

    error: str | None = None
    retry_after: int | None = None
    status: int = 200
    cut_timing: CutTiming | None = None
    html_page: str | None = None


@dataclass
class Faults:
    """For each method those that are still to come, in order."""

    pending: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))

    def add(self, method: str, fault: Fault) -> None:
        self.pending[method].append(fault)

    def take_next(self, method: str) -> Fault | None:
        """The one for this call; it will not happen again."""
        return self.pending[method].popleft() if self.pending[method] else None

    @property
    def unused(self) -> list[str]:
        return [f"{method} was called too seldom to go wrong" for method, faults in self.pending.items() if faults]
