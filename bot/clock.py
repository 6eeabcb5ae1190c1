"""The clock: deadlines live in the threads' projection, and one task sleeps until the earliest of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from agents.deadlines import due, wake_at
from bot.engine import Engine, Recorded
from bot.ids import Chance
from bot.log import Action, log
from bot.roster import Roster
from bot.running import back_off
from bot.sleeping import Sleep
from bot.worker import Worker
from storage.wakeups import Due, due_behind, next_wake

SOON = timedelta(seconds=1)
"""What is due and yet not done is being done: look again after this."""
PAGE = 200
"""Threads read at once."""


@dataclass
class Clock:
    """Reports what has become due: reminders, escalations, expiries, timers, and retries whose time has come.

    A thread that cannot be moved is tried again after a growing while; the others are reported as if it were not there.
    """

    engine: Engine
    roster: Roster
    worker: Worker
    chance: Chance
    sleep: Sleep
    _bell: asyncio.Event = field(default_factory=asyncio.Event)
    _until: datetime | None = None
    _failing: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    """How often each thread failed in a row, and when it is tried again."""

    def notice(self, recorded: Recorded) -> None:
        """Wake up when a commit brings an earlier deadline than the one slept for."""
        at = wake_at(recorded.after)
        if at is not None and (self._until is None or at < self._until):
            self._bell.set()

    async def run(self) -> None:
        """Run until cancelled. Raises what the database raises."""
        while True:
            self._bell.clear()
            self._until = None  # what is committed during the look rings in any case
            self._until = await self._tick()
            await self.sleep(self._until, self._bell)

    async def _tick(self) -> datetime | None:
        """Report all that is due, and return when to look again."""
        now = self.chance.now()
        again = list[datetime | None]()
        failing, self._failing = self._failing, {}
        async for thread_id in self._due(now):
            again.append(await self._looked_at(thread_id, failing.get(thread_id, (0, now)), now))
        again.append(await self.engine.database.read(partial(next_wake, after=now)))
        return min((at for at in again if at is not None), default=None)

    async def _due(self, now: datetime) -> AsyncIterator[str]:
        behind: Due | None = None
        while True:
            page = await self.engine.database.read(partial(due_behind, now=now, behind=behind, limit=PAGE))
            for found in page:
                yield found.thread_id
            if len(page) < PAGE:
                return
            behind = page[-1]

    async def _looked_at(self, thread_id: str, failed: tuple[int, datetime], now: datetime) -> datetime | None:
        """When to look at the thread again, as far as its next deadline does not tell."""
        times, at = failed
        if at > now:
            self._failing[thread_id] = failed
            return at
        try:
            return await self._report(thread_id, now)
        except Exception as error:  # noqa: BLE001 - one thread's trouble holds up no other
            log(Action.WAKEUP_FAILED, level="error", thread_id=thread_id, error=error, trace=error, attempt=times + 1)
            at = back_off(times + 1, self.chance.jitter(), now)
            self._failing[thread_id] = times + 1, at
            return at

    async def _report(self, thread_id: str, now: datetime) -> datetime | None:
        recorded = await self.engine.record(thread_id, lambda state: due(state, now, self.roster.people))
        if not recorded.events:
            self.worker.wake(thread_id)
        at = wake_at(recorded.after)
        return now + SOON if at is not None and at <= now else None
