"""Limits for model calls: bounded concurrency, and rate limits of providers that all processes share."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from agents.core.completion import Completion, CompletionOutcome
from agents.core.errors import Retryable
from agents.llm.base import Model, ModelRequest, OnPartialReply
from bot.log import LogEvent, log
from bot.services.ids import utc_now
from storage.database.database import Database
from storage.schedule import block_until, blocked_until

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


@dataclass
class RateLimitedModel:
    """Calls `model`. Processes that share its provider's limits must use the same `name`.

    At most `max_concurrency` calls of this process run at the same time; others wait in order of arrival.
    """

    model: Model
    name: str
    gate: RateLimitGate
    max_concurrency: int
    _slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.max_concurrency)

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        """Call the model, or return DEFERRED during a rate limit, so that the thread waits without a worker slot.

        Raises StoreUnavailable when the limit cannot be read; the answer could not be stored either.
        """
        async with self._slots:
            remaining = await self.gate.remaining(self.name)
            if remaining:
                return self._deferred_completion(remaining)
            completion = await self.model.complete(model_request, on_partial)
            await self._record_rate_limit(completion)
        return completion

    def _deferred_completion(self, remaining: timedelta) -> Completion:
        detail = "not called: the provider's rate limit is in effect"
        return Completion(
            outcome=CompletionOutcome.DEFERRED, model=self.name, detail=detail, retry_after=remaining.total_seconds()
        )

    async def _record_rate_limit(self, completion: Completion) -> None:
        if completion.outcome is CompletionOutcome.RATE_LIMITED and completion.retry_after:
            until = self.gate.now() + timedelta(seconds=completion.retry_after)
            await self.gate.block_until(self.name, until)


_: type[Model] = RateLimitedModel
