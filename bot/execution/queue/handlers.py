"""Handlers of jobs: run a thread, record due timers, deliver messages.

A failed job would be lost, so a handler that meets an error enqueues another job or asks for a retry.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import count
from typing import TypeVar

from agents.core.deadlines import due_events
from agents.core.errors import Retryable, StoreUnavailable
from agents.core.events import KnownEvent, ThreadPaused
from agents.core.next_step import next_work
from agents.core.state import ThreadState
from agents.core.values import ENGINE, Address
from bot.delivery.sender import MessageSender
from bot.execution.cleanup import delete_expired
from bot.execution.queue.jobs import JobCompletion, advance_job, timer_job
from bot.execution.thread_runner import ThreadRunner, next_runnable
from bot.execution.tools.limits import NoRoom
from bot.log import LogEvent, log
from bot.services.engine import CommitResult, Engine
from bot.services.ids import Clock
from bot.services.retry import Sleep, next_retry_at
from bot.services.roster import Roster
from storage.jobs import Job, RetryLater, RunningJob, defer
from storage.outbox import OutboxMessage, list_pending_for

T = TypeVar("T")

MAX_JOB_ATTEMPTS = 5
"""Attempts after which a thread is paused, because each of them ended its worker process."""
_QUARANTINE_REASON = "running this thread ended several worker processes; check their logs, then resume the thread"


@dataclass
class JobHandlers:
    """One handler method for each queue, with the name of the queue."""

    engine: Engine
    thread_runner: ThreadRunner
    sender: MessageSender
    roster: Roster
    clock: Clock
    sleep: Sleep
    completion: JobCompletion = field(default_factory=JobCompletion)
    stop_event: asyncio.Event = field(default_factory=asyncio.Event)

    async def advance(self, job: RunningJob) -> None:
        """Run a thread until it has to wait. Pause it if it ended its worker process MAX_JOB_ATTEMPTS times."""
        thread_id, failures = job.arguments["thread"], _failure_count(job)
        try:
            if job.attempts >= MAX_JOB_ATTEMPTS:
                await self._quarantine(thread_id)
                return
            state = await self.engine.load(thread_id, wait_for_commits=True)
            with self.completion.track(thread_id, job):
                state = await self.thread_runner.run(state, self.stop_event)
        except NoRoom:
            await self.defer(timer_job(thread_id, self._next_retry_at(1), failures=failures))
        except Exception as error:  # noqa: BLE001 - a failing thread must not end the worker
            attempt = failures + 1
            log(LogEvent.WAKEUP_FAILED, level="error", thread_id=thread_id, error=error, trace=error, attempt=attempt)
            await self.defer(timer_job(thread_id, self._next_retry_at(attempt), failures=attempt))
        else:
            if next_runnable(state, self.clock.now()) is not None:
                await self.defer(advance_job(thread_id))  # this process is stopping: another one continues

    async def timer(self, job: RunningJob) -> None:
        """Record the due events of a thread, or schedule a run if its retry time has come."""
        thread_id, at = job.arguments["thread"], datetime.fromisoformat(job.arguments["at"])
        failures, now = _failure_count(job), self.clock.now()
        if now < at:  # the database's clock is ahead: return the job to the queue, so that it takes no worker slot
            await self.defer(timer_job(thread_id, at, failures=failures, as_of=now))
            return
        try:
            recorded = await self._record_due(thread_id)
        except Exception as error:  # noqa: BLE001 - as above
            attempt = failures + 1
            log(LogEvent.WAKEUP_FAILED, level="error", thread_id=thread_id, error=error, trace=error, attempt=attempt)
            await self.defer(timer_job(thread_id, self._next_retry_at(attempt), failures=attempt))
        else:
            if not recorded.events and next_work(recorded.after):
                await self.defer(advance_job(thread_id, failures=failures))

    async def deliver(self, job: RunningJob) -> None:
        """Send the pending messages of a thread to one destination.

        Raises RetryLater when that fails: later messages to the destination wait until this job is done.
        """
        thread_id, to = job.arguments["thread"], Address(job.arguments["to"])
        try:
            async for message in self._pending_messages(thread_id, to):
                may_have_been_sent = job.attempts > 0 or "again" in job.arguments
                event = await self.sender.send(replace(message, may_have_been_sent=may_have_been_sent))
                await self._record(message, event)
        except Exception as error:
            log(LogEvent.DELIVERY_RETRIED, level="warning", thread_id=thread_id, error=error, attempt=job.attempts + 1)
            retry_after = error.retry_after if isinstance(error, Retryable) else None
            raise RetryLater(self._next_retry_at(job.attempts + 1, retry_after)) from error

    async def _record(self, outbox_message: OutboxMessage, event: KnownEvent) -> None:
        """Record the delivery, retrying while the database is unavailable.

        Raises StoreUnavailable when the process stops first. The next worker then checks whether the message was sent.
        """
        if await self._retry(partial(self._record_once, outbox_message, event)) is None:
            raise StoreUnavailable

    async def _record_once(self, outbox_message: OutboxMessage, event: KnownEvent) -> KnownEvent:
        await self.sender.record(outbox_message, event)
        return event

    async def _pending_messages(self, thread_id: str, to: Address) -> AsyncIterator[OutboxMessage]:
        """Yield each pending message once, re-reading the outbox: a delivery may change or remove the next message."""
        seen = set[str]()
        while pending := await self.engine.database.read(partial(list_pending_for, thread_id=thread_id, address=to)):
            message = next((m for m in pending if m.effect.key not in seen), None)
            if message is None:
                return
            seen.add(message.effect.key)
            yield message

    async def run_cleanup(self) -> None:
        """Delete expired rows."""
        await self.engine.database.transaction(partial(delete_expired, now=self.clock.now()))

    async def defer(self, *jobs: Job) -> None:
        """Enqueue the jobs, retrying while the database is unavailable."""
        await self._retry(lambda: self.engine.database.commit_batch(lambda _, writes: defer(writes, jobs)))

    async def _record_due(self, thread_id: str) -> CommitResult:
        now = self.clock.now()
        return await self.engine.apply(thread_id, lambda state: due_events(state, now, self.roster.people))

    async def _quarantine(self, thread_id: str) -> None:
        """Pause the thread if it has work."""

        def decide(state: ThreadState) -> tuple[KnownEvent, ...]:
            if not next_work(state):
                return ()
            return (ThreadPaused(at=self.clock.now(), actor=ENGINE, reason=_QUARANTINE_REASON),)

        await self.engine.apply(thread_id, decide)

    async def _retry(self, operation: Callable[[], Awaitable[T]]) -> T | None:
        """Repeat the operation until it succeeds. Return None if the process stops first: another one does the job."""
        for attempt in count(1):
            try:
                return await operation()
            except Retryable as error:
                log(LogEvent.DATABASE_UNAVAILABLE, level="error", error=error, attempt=attempt)
            await self.sleep(self._next_retry_at(attempt), self.stop_event)
            if self.stop_event.is_set():
                break
        return None

    def _next_retry_at(self, attempt: int, retry_after: float | None = None) -> datetime:
        return next_retry_at(attempt, self.clock.jitter(), self.clock.now(), retry_after)


def _failure_count(job: RunningJob) -> int:
    """Return how often in a row running the thread failed; 0 if another version wrote the count in another format."""
    try:
        return int(job.arguments.get("failed", "0"))
    except ValueError:
        return 0
