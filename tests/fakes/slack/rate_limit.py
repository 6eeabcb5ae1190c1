"""How fast messages may follow each other in one channel."""

from collections import defaultdict, deque
from dataclasses import dataclass, field

from tests.fakes.clock import Clock


@dataclass
class PostingLimit:
    """On the clock of the test; without `per_second` there is no limit."""

    clock: Clock
    per_second: int | None = None
    _posted_at: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def try_post(self, channel: str) -> bool:
        """Whether one more message may be posted there now; if so it counts."""
        now, posted = self.clock.monotonic(), self._posted_at[channel]
        while posted and posted[0] <= now - 1:
            posted.popleft()
        if self.per_second is not None and len(posted) >= self.per_second:
            return False
        posted.append(now)
        return True
