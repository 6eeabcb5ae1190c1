"""Shared rate limits of model providers, with a short cache in each process."""

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
"""Time for which a value from the database is cached. A call within this second that should have been held back does
no harm: the provider rejects it again. A query for each call would cost a round trip and mostly find no limit."""


@dataclass
class RateLimitGate:
    """Times until which all processes on this database must not call a provider, by name."""

    database: Database
    now: Callable[[], datetime] = utc_now
    _cache: dict[str, tuple[datetime, datetime | None]] = field(default_factory=dict)
    _lookup_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def remaining(self, name: str) -> timedelta:
        """Return the remaining time of the block; zero if calls are allowed. Raises StoreUnavailable."""
        async with self._lookup_lock:
            until = await self._blocked_until(name)
        return timedelta() if until is None else max(timedelta(), until - self.now())

    async def block_until(self, name: str, until: datetime) -> None:
        """Block calls until a time. While the database is unavailable, the block holds in this process only."""
        self._cache[name] = self.now(), until
        try:
            await self.database.transaction(partial(block_until, name=name, until=until))
        except Retryable as error:
            log(LogEvent.DATABASE_UNAVAILABLE, level="warning", error=error)

    async def _blocked_until(self, name: str) -> datetime | None:
        cached_at, until = self._cache.get(name, (None, None))
        if cached_at is None or abs(self.now() - cached_at) >= CACHE_DURATION:
            until = await self.database.read(partial(blocked_until, name=name))
            self._cache[name] = self.now(), until
        return until
