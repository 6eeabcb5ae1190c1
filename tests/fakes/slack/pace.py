"""How fast messages may follow each other in one channel."""

from collections import defaultdict, deque
from dataclasses import dataclass, field

from tests.fakes.clock import Clock


@dataclass
class Pace:
    """On the clock of the test; without `per_second` there is no limit."""

    clock: Clock
    per_second: int | None = None
    _posted: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def allows(self, channel: str) -> bool:
        """Whether one more message may be posted there now; if so it counts."""
        now, posted = self.clock.elapsed(), self._posted[channel]
        while posted and posted[0] <= now - 1:
            posted.popleft()
        if self.per_second is not None and len(posted) >= self.per_second:
            return False
        posted.append(now)
        return True
