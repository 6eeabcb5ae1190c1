"""Handlers of jobs: run a thread, record due timers, deliver messages, process inputs.

A failed job would be lost, so a handler that meets an error enqueues another job or asks for a retry.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from agents.core.errors import Retryable
from agents.core.events import KnownEvent, ThreadPaused
from agents.core.next_step import next_work
from agents.core.state import ThreadState
from agents.core.values import ENGINE, Address
from bot.delivery.digests import NotDue
from bot.delivery.sender import MessageSender, log_delivery_failure
from bot.execution.inputs import MAX_CONCURRENT_GROUPS, InputRunner, log_failed_reply
from bot.execution.queue.jobs import JobCompletion, advance_job, timer_job
from bot.execution.thread_runner import ThreadRunner, fire_due, log_failed_run, next_runnable
from bot.execution.tools.limits import NoRoom
from bot.log import LogEvent, log
from bot.services.engine import Engine
from bot.services.retry import Repeater, next_retry_at
from bot.services.roster import Roster
from storage.jobs import Job, RetryLater, RunningJob, defer
from storage.outbox import OutboxMessage, list_pending_of_thread
from storage.raw_inputs import find_group

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
    repeater: Repeater
    inputs: InputRunner
    completion: JobCompletion = field(default_factory=JobCompletion)
    stop_event: asyncio.Event = field(default_factory=asyncio.Event)
    _input_slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_CONCURRENT_GROUPS))
    """Limit on the groups of inputs that are processed, so that accepting further inputs is not held up."""

    async def advance(self, job: RunningJob) -> None:
        """Run a thread until it has to wait. Pause it if it ended its worker process MAX_JOB_ATTEMPTS times."""
        thread_id, failures = job.arguments["thread"], _failure_count(job)
        try:
            if job.attempts >= MAX_JOB_ATTEMPTS:
                await self._quarantine(thread_id)
                return
            with self.completion.track(thread_id, job):  # the commit that leaves no work also finishes the job
                state = await self.thread_runner.run_thread(thread_id, self.stop_event)
        except NoRoom:  # too many calls of one tool are running
            await self.defer(timer_job(thread_id, self._next_retry_at(1), failures=failures))
        except Exception as error:  # noqa: BLE001 - a failing thread must not end the worker
            await self._retry_failed_run(thread_id, error, failures + 1)
        else:
            if next_runnable(state, self.repeater.clock.now()) is not None:
                await self.defer(advance_job(thread_id))  # this process is stopping: another one continues

    async def timer(self, job: RunningJob) -> None:
        """Record the due events of a thread, or schedule a run if its retry time has come."""
        thread_id, at = job.arguments["thread"], datetime.fromisoformat(job.arguments["at"])
        failures, now = _failure_count(job), self.repeater.clock.now()
        if now < at:  # the database's clock is ahead: return the job to the queue, so that it takes no worker slot
            await self.defer(timer_job(thread_id, at, failures=failures, as_of=now))
            return
        try:
            commit = await fire_due(thread_id, self.engine, self.roster.people, self.repeater.clock.now())
        except Exception as error:  # noqa: BLE001 - as above
            await self._retry_failed_run(thread_id, error, failures + 1)
        else:
            if not commit.events and next_work(commit.after):
                await self.defer(advance_job(thread_id, failures=failures))

    async def deliver(self, job: RunningJob) -> None:
        """Send the pending messages of a thread to one destination.

        Raises RetryLater when that fails, or when a message is not due: later messages to the destination wait until
        this job is done.
        """
        thread_id, to = job.arguments["thread"], Address(job.arguments["to"])
        try:
            async for message in self._pending_messages(thread_id, to):
                may_have_been_sent = job.attempts > 0 or "again" in job.arguments  # the first job may have been lost
                message_to_send = replace(message, may_have_been_sent=may_have_been_sent)
                await self.sender.deliver(message_to_send, self.stop_event)
        except NotDue as not_due:
            raise RetryLater(not_due.at) from not_due
        except Exception as error:
            log_delivery_failure(thread_id, error, job.attempts + 1)
            retry_after = error.retry_after if isinstance(error, Retryable) else None
            raise RetryLater(self._next_retry_at(job.attempts + 1, retry_after)) from error

    async def input(self, job: RunningJob) -> None:
        """Process the stored inputs of a group, or send the reply to an input.

        Raises RetryLater if that has to wait: later inputs of the group, or messages to the destination, wait as well.
        """
        if (reply_to := job.arguments.get("reply")) is not None:
            await self._send_reply(reply_to, job)
        else:
            await self._process_input(job.arguments["input"], job)

    async def _process_input(self, input_id: str, job: RunningJob) -> None:
        try:
            async with self._input_slots:
                group = await self.engine.database.read(partial(find_group, input_id=input_id))
                next_at = None if group is None else await self.inputs.process_group(group, self.stop_event)
        except Exception as error:
            log(LogEvent.INPUT_RETRIED, level="error", key=input_id, error=error, trace=error, attempt=job.attempts + 1)
            raise RetryLater(self._next_retry_at(job.attempts + 1)) from error
        if next_at is not None or self.stop_event.is_set():
            raise RetryLater(next_at or self.repeater.clock.now())

    async def _send_reply(self, input_id: str, job: RunningJob) -> None:
        try:
            await self.inputs.send_reply(input_id, self.stop_event, may_have_been_sent=job.attempts > 0)
        except Exception as error:
            log_failed_reply(input_id, error, job.attempts + 1)
            retry_after = error.retry_after if isinstance(error, Retryable) else None
            raise RetryLater(self._next_retry_at(job.attempts + 1, retry_after)) from error

    async def _pending_messages(self, thread_id: str, to: Address) -> AsyncIterator[OutboxMessage]:
        """Yield each pending message once, re-reading the outbox: a delivery may change or remove the next message."""
        seen = set[str]()
        while pending := await self.engine.database.read(
            partial(list_pending_of_thread, thread_id=thread_id, address=to)
        ):
            message = next((m for m in pending if m.effect.key not in seen), None)
            if message is None:
                return
            seen.add(message.effect.key)
            yield message

    async def defer(self, *jobs: Job) -> None:
        """Enqueue the jobs, retrying while the database is unavailable.

        If the process stops first, the periodic search for unfinished threads (sweep) enqueues them.
        """
        with suppress(Retryable):
            await self.repeater.retry(
                lambda: self.engine.database.commit_batch(lambda _, writes: defer(writes, jobs)),
                self.stop_event,
                on_error=_log_database_error,
                errors=Retryable,
            )

    async def _retry_failed_run(self, thread_id: str, error: Exception, attempt: int) -> None:
        """Log the error and enqueue another attempt."""
        log_failed_run(thread_id, error, attempt)
        await self.defer(timer_job(thread_id, self._next_retry_at(attempt), failures=attempt))

    async def _quarantine(self, thread_id: str) -> None:
        """Pause the thread if it has work."""

        def decide(state: ThreadState) -> tuple[KnownEvent, ...]:
            if not next_work(state):
                return ()
            return (ThreadPaused(at=self.repeater.clock.now(), actor=ENGINE, reason=_QUARANTINE_REASON),)

        await self.engine.apply(thread_id, decide)

    def _next_retry_at(self, attempt: int, retry_after: float | None = None) -> datetime:
        clock = self.repeater.clock
        return next_retry_at(attempt, clock.jitter(), clock.now(), retry_after)


def _log_database_error(error: Exception, attempt: int) -> None:
    log(LogEvent.DATABASE_UNAVAILABLE, level="error", error=error, attempt=attempt)


def _failure_count(job: RunningJob) -> int:
    """Return how often in a row running the thread failed; 0 if another version wrote the count in another format."""
    try:
        return int(job.arguments.get("failed", "0"))
    except ValueError:
        return 0
