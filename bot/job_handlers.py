"""What is done with a job: move a thread on, let the clock report to it, or deliver its messages.

A handler does not fail: a job that ends is gone, so whatever goes wrong leaves another one behind.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import count
from typing import TypeVar

from agents.addresses import ENGINE, Address
from agents.deadlines import due_events
from agents.errors import Retryable, StoreUnavailable
from agents.events import KnownEvent, ThreadPaused
from agents.next_step import next_work
from agents.state import ThreadState
from bot.cleanup import delete_expired
from bot.engine import CommitResult, Engine
from bot.ids import Clock
from bot.job_completion import JobCompletion
from bot.jobs import advance_job, timer_job
from bot.log import LogEvent, log
from bot.message_sender import MessageSender
from bot.roster import Roster
from bot.sleep import Sleep
from bot.thread_runner import ThreadRunner, next_runnable
from bot.tool_runner import next_retry_at
from bot.tool_slots import NoRoom
from storage.jobs import Job, RetryLater, RunningJob, defer
from storage.outbox import OutboxMessage, list_pending_for

T = TypeVar("T")

MAX_JOB_ATTEMPTS = 5
"""Workers a thread may end before it is left alone."""
_POISON_REASON = "its work ended several worker processes; look into their logs, then resume the thread"


@dataclass
class JobHandlers:
    """One handler for each queue."""

    engine: Engine
    thread_runner: ThreadRunner
    sender: MessageSender
    roster: Roster
    clock: Clock
    sleep: Sleep
    completion: JobCompletion = field(default_factory=JobCompletion)
    stop_event: asyncio.Event = field(default_factory=asyncio.Event)

    async def advance(self, job: RunningJob) -> None:
        """Move a thread on as far as it goes. One that ended its worker again and again is paused."""
        thread_id, failed = job.arguments["thread"], _failure_count(job)
        try:
            if job.attempts >= MAX_JOB_ATTEMPTS:
                await self._quarantine(thread_id)
                return
            state = await self.engine.load(thread_id, wait_for_commits=True)
            with self.completion.track(thread_id, job):
                state = await self.thread_runner.run(state, self.stop_event)
        except NoRoom:
            await self.defer(timer_job(thread_id, self._next_retry_at(1), failures=failed))
        except Exception as error:  # noqa: BLE001 - one thread's trouble must not end the worker
            log(
                LogEvent.WAKEUP_FAILED, level="error", thread_id=thread_id, error=error, trace=error, attempt=failed + 1
            )
            await self.defer(timer_job(thread_id, self._next_retry_at(failed + 1), failures=failed + 1))
        else:
            if next_runnable(state, self.clock.now()) is not None:
                await self.defer(advance_job(thread_id))  # we are stopping: somebody else goes on

    async def timer(self, job: RunningJob) -> None:
        """Report what has become due, or have a thread looked at whose time to try again has come."""
        thread_id, at = job.arguments["thread"], datetime.fromisoformat(job.arguments["at"])
        failed, now = _failure_count(job), self.clock.now()
        if now < at:  # the database's clock is ahead: the job waits there, and takes no slot here
            await self.defer(timer_job(thread_id, at, failures=failed, as_of=now))
            return
        try:
            recorded = await self._record_due(thread_id)
        except Exception as error:  # noqa: BLE001 - the same
            log(
                LogEvent.WAKEUP_FAILED, level="error", thread_id=thread_id, error=error, trace=error, attempt=failed + 1
            )
            await self.defer(timer_job(thread_id, self._next_retry_at(failed + 1), failures=failed + 1))
        else:
            if not recorded.events and next_work(recorded.after):
                await self.defer(advance_job(thread_id, failures=failed))

    async def deliver(self, job: RunningJob) -> None:
        """Hand over what a thread has for one destination. Raises Later: the others for it wait behind this job."""
        thread_id, to = job.arguments["thread"], Address(job.arguments["to"])
        try:
            async for parcel in self._pending_messages(thread_id, to):
                again = job.attempts > 0 or "again" in job.arguments
                event = await self.sender.send(replace(parcel, maybe_sent=again))
                await self._record(parcel, event)
        except Exception as error:
            log(LogEvent.MESSAGE_RETRIED, level="warning", thread_id=thread_id, error=error, attempt=job.attempts + 1)
            asked = error.retry_after if isinstance(error, Retryable) else None
            raise RetryLater(self._next_retry_at(job.attempts + 1, asked)) from error

    async def _record(self, outbox_message: OutboxMessage, event: KnownEvent) -> None:
        """Raises StoreUnavailable when we stop before: whoever has the job next looks for the message first."""
        if await self._retry(partial(self._record_once, outbox_message, event)) is None:
            raise StoreUnavailable

    async def _record_once(self, outbox_message: OutboxMessage, event: KnownEvent) -> KnownEvent:
        await self.sender.record(outbox_message, event)
        return event

    async def _pending_messages(self, thread_id: str, to: Address) -> AsyncIterator[OutboxMessage]:
        """Each as it is when its turn comes: what one was taken for may change the next, or make it needless."""
        done = set[str]()
        while parcels := await self.engine.database.read(partial(list_pending_for, thread_id=thread_id, address=to)):
            parcel = next((p for p in parcels if p.effect.key not in done), None)
            if parcel is None:
                return
            done.add(parcel.effect.key)
            yield parcel

    async def run_cleanup(self) -> None:
        """Forget what nobody asks for any more."""
        await self.engine.database.transaction(partial(delete_expired, now=self.clock.now()))

    async def defer(self, *jobs: Job) -> None:
        """Have the jobs done, also when the database has to be waited for first."""
        await self._retry(lambda: self.engine.database.commit_batch(lambda _, writes: defer(writes, jobs)))

    async def _record_due(self, thread_id: str) -> CommitResult:
        now = self.clock.now()
        return await self.engine.apply(thread_id, lambda state: due_events(state, now, self.roster.people))

    async def _quarantine(self, thread_id: str) -> None:
        def decide(state: ThreadState) -> tuple[KnownEvent, ...]:
            if not next_work(state):
                return ()
            return (ThreadPaused(at=self.clock.now(), actor=ENGINE, reason=_POISON_REASON),)

        await self.engine.apply(thread_id, decide)

    async def _retry(self, operation: Callable[[], Awaitable[T]]) -> T | None:
        """Until it works, or we stop: then whoever takes the job over does it."""
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
    """How often in a row the thread could not be moved on; another build may tell that in another way."""
    try:
        return int(job.arguments.get("failed", "0"))
    except ValueError:
        return 0
