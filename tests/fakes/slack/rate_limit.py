"""Rate limit for posting messages to one channel."""

from collections import defaultdict, deque
from dataclasses import dataclass, field

from tests.fakes.clock import Clock


@dataclass
class PostingLimit:
    """Limit per channel, on the test's clock; None means no limit."""

    clock: Clock
    per_second: int | None = None
    _posted_at: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def try_post(self, channel: str) -> bool:
        """Count one more message and return True, or return False if the limit is reached."""
        now, posted = self.clock.monotonic(), self._posted_at[channel]
        while posted and posted[0] <= now - 1:
            posted.popleft()
        if self.per_second is not None and len(posted) >= self.per_second:
            return False
        posted.append(now)
        return True
