"""Pauses as one process knows them: it need not ask the database before each call."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from agents.errors import Retryable
from bot.ids import utc_now
from bot.log import LogEvent, log
from storage.database import Database
from storage.rate_limits import block_until, blocked_until

CACHE_DURATION = timedelta(seconds=1)
"""How long what was looked up is believed. A call that goes out in this second all the same does no harm: it is told
what the others were told. Looking for each call would cost a journey to the database, mostly to learn nothing."""


@dataclass
class RateLimitGate:
    """What all processes on this database leave alone, and until when."""

    database: Database
    now: Callable[[], datetime] = utc_now
    _cache: dict[str, tuple[datetime, datetime | None]] = field(default_factory=dict)
    _lookup_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def remaining(self, name: str) -> timedelta:
        """How long to leave it alone yet; nothing when it may be used. Raises StoreUnavailable."""
        async with self._lookup_lock:
            until = await self._blocked_until(name)
        return timedelta() if until is None else max(timedelta(), until - self.now())

    async def block_until(self, name: str, until: datetime) -> None:
        """Have it left alone. While the database is away this process alone knows."""
        self._cache[name] = self.now(), until
        try:
            await self.database.transaction(partial(block_until, name=name, until=until))
        except Retryable as error:
            log(LogEvent.DATABASE_UNAVAILABLE, level="warning", error=error)

    async def _blocked_until(self, name: str) -> datetime | None:
        at, until = self._cache.get(name, (None, None))
        if at is None or abs(self.now() - at) >= CACHE_DURATION:
            until = await self.database.read(partial(blocked_until, name=name))
            self._cache[name] = self.now(), until
        return until
