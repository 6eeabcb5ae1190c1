"""When the next message may go: one a second to each channel, cards before words.

The limit is that of docs.slack.dev/apis/web-api/rate-limits.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import heapify, heappush
from itertools import count

from agents.errors import Unavailable

MIN_INTERVAL_SECONDS = 1.0
"""Seconds between two messages to one channel, and between two changes of one message."""

MAX_WAIT_SECONDS = 5.0
"""Seconds somebody waits for their turn; who would wait longer comes again, and holds nobody up meanwhile."""

Ticket = tuple[bool, int]


@dataclass
class _Queue:
    """Those who wait for one destination, the next one first. `bell` rings when that may be somebody else now.

    `promised` is the last time somebody was told to come again at.
    """

    next_send_at: float = 0.0
    next_retry_at: float = 0.0
    tickets: list[Ticket] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def notify(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


@dataclass
class RateLimiter:
    """Turns, for each destination. `elapsed` is seconds since some time; `sleep` waits so many of them."""

    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    _queues: dict[str, _Queue] = field(default_factory=dict)
    _ticket_numbers: Iterator[int] = field(default_factory=count)

    async def acquire(self, key: str, *, is_urgent: bool = False) -> None:
        """Wait until it is our turn. Raises Unreachable, with the time, when that takes too long."""
        line = self._get_queue(key)
        ticket = (not is_urgent, next(self._ticket_numbers))
        self._reject_long_wait(line, ticket)
        with _hold_ticket(line, ticket):
            while (rest := line.next_send_at - self.monotonic()) > 0 or line.tickets[0] != ticket:
                await (self.sleep(rest) if line.tickets[0] == ticket and rest > 0 else line.changed.wait())
            line.next_send_at = self.monotonic() + MIN_INTERVAL_SECONDS

    def _get_queue(self, key: str) -> _Queue:
        """Those nobody stands in are forgotten once their time is over."""
        now = self.monotonic()
        for idle in [
            name
            for name, line in self._queues.items()
            if not line.tickets and max(line.next_send_at, line.next_retry_at) <= now
        ]:
            del self._queues[idle]
        return self._queues.setdefault(key, _Queue())

    def _reject_long_wait(self, queue: _Queue, ticket: Ticket) -> None:
        """Those who are to come again come one after the other, and not all at once."""
        now, ahead = self.monotonic(), sum(other < ticket for other in queue.tickets)
        at = max(queue.next_send_at, now) + ahead * MIN_INTERVAL_SECONDS
        if at - now > MAX_WAIT_SECONDS:
            queue.next_retry_at = max(queue.next_retry_at + MIN_INTERVAL_SECONDS, at)
            raise Unavailable(
                "many messages go to the same place; this one follows", retry_after=queue.next_retry_at - now
            )


@contextmanager
def _hold_ticket(queue: _Queue, ticket: Ticket) -> Iterator[None]:
    heappush(queue.tickets, ticket)
    queue.notify()
    try:
        yield
    finally:
        queue.tickets.remove(ticket)
        heapify(queue.tickets)
        queue.notify()
