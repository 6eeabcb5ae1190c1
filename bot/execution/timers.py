"""Timers in this process: one task sleeps until the earliest deadline of all threads, which the database stores."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from agents.core.deadlines import due_events, next_deadline
from bot.execution.embedded_worker import EmbeddedWorker
from bot.log import LogEvent, log
from bot.services.engine import CommitResult, Engine
from bot.services.ids import Clock
from bot.services.retry import Sleep, next_retry_at
from bot.services.roster import Roster
from storage.schedule import DueThread, list_due_after, next_wake_at

RECHECK_DELAY = timedelta(seconds=1)
"""Delay before a thread is checked again whose due work is still in progress."""
PAGE_SIZE = 200
"""Threads per query."""


@dataclass
class TimerService:
    """Records due events of threads (reminders, escalations, expiries, timers) and schedules due retries.

    A thread for which that fails is retried with back-off and does not delay the others.
    """

    engine: Engine
    roster: Roster
    worker: EmbeddedWorker
    clock: Clock
    sleep: Sleep
    _wake_event: asyncio.Event = field(default_factory=asyncio.Event)
    _sleep_until: datetime | None = None
    _failures: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    """The number of consecutive failures and the time of the next attempt, by thread id."""

    def on_commit(self, commit: CommitResult) -> None:
        """Wake up when a commit sets an earlier deadline than the current one."""
        at = next_deadline(commit.after)
        if at is not None and (self._sleep_until is None or at < self._sleep_until):
            self._wake_event.set()

    async def run(self) -> None:
        """Run until cancelled. Raises the errors of the database."""
        while True:
            self._wake_event.clear()
            self._sleep_until = None  # any deadline committed during the check sets the event
            self._sleep_until = await self._process_due()
            await self.sleep(self._sleep_until, self._wake_event)

    async def _process_due(self) -> datetime | None:
        """Process all due threads and return the time of the next check."""
        now = self.clock.now()
        next_checks = list[datetime | None]()
        failing, self._failures = self._failures, {}
        async for thread_id in self._list_due(now):
            next_checks.append(await self._process_thread(thread_id, failing.get(thread_id, (0, now)), now))
        next_checks.append(await self.engine.database.read(partial(next_wake_at, after=now)))
        return min((at for at in next_checks if at is not None), default=None)

    async def _list_due(self, now: datetime) -> AsyncIterator[str]:
        last: DueThread | None = None
        while True:
            page = await self.engine.database.read(partial(list_due_after, now=now, after=last, limit=PAGE_SIZE))
            for due_thread in page:
                yield due_thread.thread_id
            if len(page) < PAGE_SIZE:
                return
            last = page[-1]

    async def _process_thread(self, thread_id: str, failure: tuple[int, datetime], now: datetime) -> datetime | None:
        """Process one thread. Return when to check it again, if that is earlier than its next deadline."""
        failure_count, retry_at = failure
        if retry_at > now:
            self._failures[thread_id] = failure
            return retry_at
        try:
            return await self._record_due(thread_id, now)
        except Exception as error:  # noqa: BLE001 - a failing thread must not delay others
            attempt = failure_count + 1
            log(LogEvent.WAKEUP_FAILED, level="error", thread_id=thread_id, error=error, trace=error, attempt=attempt)
            retry_at = next_retry_at(attempt, self.clock.jitter(), now)
            self._failures[thread_id] = attempt, retry_at
            return retry_at

    async def _record_due(self, thread_id: str, now: datetime) -> datetime | None:
        result = await self.engine.apply(thread_id, lambda state: due_events(state, now, self.roster.people))
        if not result.events:
            self.worker.schedule(thread_id)
        at = next_deadline(result.after)
        return now + RECHECK_DELAY if at is not None and at <= now else None
