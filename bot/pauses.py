"""Pauses as one process knows them: it need not ask the database before each call."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from agents.errors import Retryable
from bot.ids import utc_now
from bot.log import Action, log
from storage.database import Database
from storage.pauses import begin_pause, paused_until

BELIEVED = timedelta(seconds=1)
"""How long what was looked up is believed. A call that goes out in this second all the same does no harm: it is told
what the others were told. Looking for each call would cost a journey to the database, mostly to learn nothing."""


@dataclass
class Pauses:
    """What all processes on this database leave alone, and until when."""

    database: Database
    now: Callable[[], datetime] = utc_now
    _known: dict[str, tuple[datetime, datetime | None]] = field(default_factory=dict)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def left(self, name: str) -> timedelta:
        """How long to leave it alone yet; nothing when it may be used. Raises StoreUnavailable."""
        async with self._looking:
            until = await self._until(name)
        return timedelta() if until is None else max(timedelta(), until - self.now())

    async def heed(self, name: str, until: datetime) -> None:
        """Have it left alone. While the database is away this process alone knows."""
        self._known[name] = self.now(), until
        try:
            await self.database.run(partial(begin_pause, name=name, until=until))
        except Retryable as error:
            log(Action.DATABASE_UNAVAILABLE, level="warning", error=error)

    async def _until(self, name: str) -> datetime | None:
        at, until = self._known.get(name, (None, None))
        if at is None or abs(self.now() - at) >= BELIEVED:
            until = await self.database.read(partial(paused_until, name=name))
            self._known[name] = self.now(), until
        return until
