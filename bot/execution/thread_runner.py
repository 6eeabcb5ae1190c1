"""Run Handrail threads: execute the effects of one until it has to wait, and fire the timers that are due (ADR 0002).

In one process, a task waits for the earliest deadline of all threads.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from agents.core.deadlines import due_events, next_deadline
from agents.core.next_step import RecoverTool, WorkEffect, next_work
from agents.core.people import People
from agents.core.state import ThreadState
from bot.delivery.feedback import StatusReporter
from bot.execution.effects import EffectExecutor
from bot.log import LogEvent, log
from bot.services.engine import CommitResult, Engine
from bot.services.ids import Clock
from bot.services.retry import Repeater, next_retry_at
from bot.services.roster import Roster
from storage.schedule import DueThread, list_due_after, next_wake_at


@dataclass(frozen=True)
class ThreadRunner:
    """Runs threads for both execution backends."""

    engine: Engine
    executor: EffectExecutor
    clock: Clock
    status_reporter: StatusReporter = field(default_factory=StatusReporter)

    async def run_thread(
        self, thread_id: str, stop_event: asyncio.Event, state: ThreadState | None = None
    ) -> ThreadState:
        """Execute effects until the thread waits for a person, a time or another worker, or `stop_event` is set.

        `state` is the latest state, if known. Return the last state. Raises NoRoom when too many calls of a tool
        run or wait, and errors of the database.

        Recovery of a started call is executed only as the first effect: if a call appears as started later, another
        worker started it, because this process was considered dead. That worker is alive.
        """
        if state is None:
            state = await self.engine.load(thread_id, wait_for_commits=True)
        is_first = True
        while not stop_event.is_set() and (effect := next_runnable(state, self.clock.now())) is not None:
            if isinstance(effect, RecoverTool) and not is_first:
                break
            self.status_reporter.report_busy(state, effect)
            state, is_first = await self.executor.execute(effect, state), False
        if not is_first:
            self.status_reporter.report_idle(state)
        return state


def next_runnable(state: ThreadState, now: datetime) -> WorkEffect | None:
    """Return the next effect that may run now. An effect with a later `not_before` is left to a timer."""
    return next((w for w in next_work(state) if w.not_before is None or w.not_before <= now), None)


def log_failed_run(thread_id: str, error: Exception, attempt: int) -> None:
    """Log that running a thread, or firing its timers, failed with an unexpected error."""
    log(LogEvent.RUN_FAILED, level="error", thread_id=thread_id, error=error, trace=error, attempt=attempt)


RECHECK_DELAY = timedelta(seconds=1)
"""Delay before a thread is checked again whose due work is still in progress."""
PAGE_SIZE = 200
"""Threads per query."""


async def fire_due(thread_id: str, engine: Engine, people: People, now: datetime) -> CommitResult:
    """Record the reminders, escalations, expiries and timers of a thread that are due. Raises StoreUnavailable."""
    return await engine.apply(thread_id, lambda state: due_events(state, now, people))


@dataclass
class TimerService:
    """Fires the timers of all threads from one task, which sleeps until the earliest deadline.

    `schedule_run` runs a thread whose retry is due. A thread whose timers fail is retried with back-off and does not
    delay the others.
    """

    engine: Engine
    roster: Roster
    schedule_run: Callable[[str], None]
    repeater: Repeater
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
            await self.repeater.sleep(self._sleep_until, self._wake_event)

    async def _process_due(self) -> datetime | None:
        """Process all due threads and return the time of the next check."""
        now = self.repeater.clock.now()
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
            return await self._fire_due(thread_id, now)
        except Exception as error:  # noqa: BLE001 - a failing thread must not delay others
            attempt = failure_count + 1
            log_failed_run(thread_id, error, attempt)
            retry_at = next_retry_at(attempt, self.repeater.clock.jitter(), now)
            self._failures[thread_id] = attempt, retry_at
            return retry_at

    async def _fire_due(self, thread_id: str, now: datetime) -> datetime | None:
        result = await fire_due(thread_id, self.engine, self.roster.people, now)
        if not result.events:
            self.schedule_run(thread_id)
        at = next_deadline(result.after)
        return now + RECHECK_DELAY if at is not None and at <= now else None
