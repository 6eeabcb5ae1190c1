"""When the next message may go: one a second to each channel, cards before words.

The limit is that of docs.slack.dev/apis/web-api/rate-limits.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import heapify, heappush
from itertools import count

from agents.errors import Unreachable

APART = 1.0
"""Seconds between two messages to one channel, and between two changes of one message."""

PATIENCE = 5.0
"""Seconds somebody waits for their turn; who would wait longer comes again, and holds nobody up meanwhile."""

Ticket = tuple[bool, int]


@dataclass
class _Line:
    """Those who wait for one destination, the next one first. `bell` rings when that may be somebody else now.

    `promised` is the last time somebody was told to come again at.
    """

    free_at: float = 0.0
    promised: float = 0.0
    waiting: list[Ticket] = field(default_factory=list)
    bell: asyncio.Event = field(default_factory=asyncio.Event)

    def ring(self) -> None:
        self.bell.set()
        self.bell = asyncio.Event()


@dataclass
class Pace:
    """Turns, for each destination. `elapsed` is seconds since some time; `sleep` waits so many of them."""

    elapsed: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    _lines: dict[str, _Line] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    async def turn(self, destination: str, *, urgent: bool = False) -> None:
        """Wait until it is our turn. Raises Unreachable, with the time, when that takes too long."""
        line = self._line(destination)
        ticket = (not urgent, next(self._numbers))
        self._refuse_long(line, ticket)
        with _in(line, ticket):
            while (rest := line.free_at - self.elapsed()) > 0 or line.waiting[0] != ticket:
                await (self.sleep(rest) if line.waiting[0] == ticket and rest > 0 else line.bell.wait())
            line.free_at = self.elapsed() + APART

    def _line(self, destination: str) -> _Line:
        """Those nobody stands in are forgotten once their time is over."""
        now = self.elapsed()
        for idle in [
            name for name, line in self._lines.items() if not line.waiting and max(line.free_at, line.promised) <= now
        ]:
            del self._lines[idle]
        return self._lines.setdefault(destination, _Line())

    def _refuse_long(self, line: _Line, ticket: Ticket) -> None:
        """Those who are to come again come one after the other, and not all at once."""
        now, ahead = self.elapsed(), sum(other < ticket for other in line.waiting)
        at = max(line.free_at, now) + ahead * APART
        if at - now > PATIENCE:
            line.promised = max(line.promised + APART, at)
            raise Unreachable("many messages go to the same place; this one follows", retry_after=line.promised - now)


@contextmanager
def _in(line: _Line, ticket: Ticket) -> Iterator[None]:
    heappush(line.waiting, ticket)
    line.ring()
    try:
        yield
    finally:
        line.waiting.remove(ticket)
        heapify(line.waiting)
        line.ring()
