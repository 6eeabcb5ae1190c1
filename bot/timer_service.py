"""The clock: deadlines live in the threads' projection, and one task sleeps until the earliest of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from agents.deadlines import due_events, next_deadline
from bot.embedded_worker import EmbeddedWorker
from bot.engine import CommitResult, Engine
from bot.ids import Clock
from bot.log import LogEvent, log
from bot.roster import Roster
from bot.sleep import Sleep
from bot.tool_runner import next_retry_at
from storage.schedule import DueThread, list_due_after, next_wake_at

RECHECK_DELAY = timedelta(seconds=1)
"""What is due and yet not done is being done: look again after this."""
PAGE_SIZE = 200
"""Threads read at once."""


@dataclass
class TimerService:
    """Reports what has become due: reminders, escalations, expiries, timers, and retries whose time has come.

    A thread that cannot be moved is tried again after a growing while; the others are reported as if it were not there.
    """

    engine: Engine
    roster: Roster
    worker: EmbeddedWorker
    clock: Clock
    sleep: Sleep
    _wake_event: asyncio.Event = field(default_factory=asyncio.Event)
    _sleep_until: datetime | None = None
    _failures: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    """How often each thread failed in a row, and when it is tried again."""

    def on_commit(self, commit: CommitResult) -> None:
        """Wake up when a commit brings an earlier deadline than the one slept for."""
        at = next_deadline(commit.after)
        if at is not None and (self._sleep_until is None or at < self._sleep_until):
            self._wake_event.set()

    async def run(self) -> None:
        """Run until cancelled. Raises what the database raises."""
        while True:
            self._wake_event.clear()
            self._sleep_until = None  # what is committed during the look rings in any case
            self._sleep_until = await self._process_due()
            await self.sleep(self._sleep_until, self._wake_event)

    async def _process_due(self) -> datetime | None:
        """Report all that is due, and return when to look again."""
        now = self.clock.now()
        again = list[datetime | None]()
        failing, self._failures = self._failures, {}
        async for thread_id in self._list_due(now):
            again.append(await self._process_thread(thread_id, failing.get(thread_id, (0, now)), now))
        again.append(await self.engine.database.read(partial(next_wake_at, after=now)))
        return min((at for at in again if at is not None), default=None)

    async def _list_due(self, now: datetime) -> AsyncIterator[str]:
        behind: DueThread | None = None
        while True:
            page = await self.engine.database.read(partial(list_due_after, now=now, after=behind, limit=PAGE_SIZE))
            for found in page:
                yield found.thread_id
            if len(page) < PAGE_SIZE:
                return
            behind = page[-1]

    async def _process_thread(self, thread_id: str, failure: tuple[int, datetime], now: datetime) -> datetime | None:
        """When to look at the thread again, as far as its next deadline does not tell."""
        times, at = failure
        if at > now:
            self._failures[thread_id] = failure
            return at
        try:
            return await self._record_due(thread_id, now)
        except Exception as error:  # noqa: BLE001 - one thread's trouble holds up no other
            log(LogEvent.WAKEUP_FAILED, level="error", thread_id=thread_id, error=error, trace=error, attempt=times + 1)
            at = next_retry_at(times + 1, self.clock.jitter(), now)
            self._failures[thread_id] = times + 1, at
            return at

    async def _record_due(self, thread_id: str, now: datetime) -> datetime | None:
        recorded = await self.engine.apply(thread_id, lambda state: due_events(state, now, self.roster.people))
        if not recorded.events:
            self.worker.schedule(thread_id)
        at = next_deadline(recorded.after)
        return now + RECHECK_DELAY if at is not None and at <= now else None
