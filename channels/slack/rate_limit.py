"""Rate limiter for messages: one message per second in each channel. Messages with cards go before texts.

The limit is Slack's (docs.slack.dev/apis/web-api/rate-limits).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import heapify, heappush
from itertools import count

from agents.core.errors import Unavailable

MIN_INTERVAL_SECONDS = 1.0
"""Interval between two messages to one channel, and between two updates of one message."""

MAX_WAIT_SECONDS = 5.0
"""Longest wait for a turn. A longer wait is rejected with a retry time, so that it does not block the dispatcher."""

Ticket = tuple[bool, int]
"""Position in a queue: False for an urgent caller, which goes first, and a number in the order of arrival."""


@dataclass
class _Queue:
    """Queue of callers for one key. `tickets` is a heap with the next caller first.

    `changed` is set when the first ticket may have changed. `next_retry_at` is the latest retry time given to a
    rejected caller.
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
    """Rate limiter with one queue per key: the id of a channel, or `CHANNEL:TS` of a message that is updated.

    `monotonic` and `sleep` are in seconds.
    """

    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    _queues: dict[str, _Queue] = field(default_factory=dict)
    _ticket_numbers: Iterator[int] = field(default_factory=count)

    async def acquire(self, key: str, *, is_urgent: bool = False) -> None:
        """Wait until the caller may send. Raises Unavailable with a retry time if the wait would be too long."""
        queue = self._get_queue(key)
        ticket = (not is_urgent, next(self._ticket_numbers))
        self._reject_long_wait(queue, ticket)
        with _hold_ticket(queue, ticket):
            while (delay := queue.next_send_at - self.monotonic()) > 0 or queue.tickets[0] != ticket:
                await (self.sleep(delay) if queue.tickets[0] == ticket and delay > 0 else queue.changed.wait())
            queue.next_send_at = self.monotonic() + MIN_INTERVAL_SECONDS

    def _get_queue(self, key: str) -> _Queue:
        """Return the queue of a key, after removing idle queues."""
        now = self.monotonic()
        for idle in [
            name
            for name, queue in self._queues.items()
            if not queue.tickets and max(queue.next_send_at, queue.next_retry_at) <= now
        ]:
            del self._queues[idle]
        return self._queues.setdefault(key, _Queue())

    def _reject_long_wait(self, queue: _Queue, ticket: Ticket) -> None:
        """Raise Unavailable if the wait would be too long. The retry times of rejected callers are staggered."""
        now, ahead_count = self.monotonic(), sum(other < ticket for other in queue.tickets)
        send_at = max(queue.next_send_at, now) + ahead_count * MIN_INTERVAL_SECONDS
        if send_at - now > MAX_WAIT_SECONDS:
            queue.next_retry_at = max(queue.next_retry_at + MIN_INTERVAL_SECONDS, send_at)
            retry_after = queue.next_retry_at - now
            raise Unavailable("many messages are waiting for the same channel; retrying", retry_after=retry_after)


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
