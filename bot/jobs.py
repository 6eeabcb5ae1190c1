"""The jobs a commit asks for, where several processes share the work."""

from collections.abc import Iterator
from datetime import datetime

from agents.addresses import Address
from agents.deadlines import next_deadline
from agents.events import RequestAnswered, RequestExpired, TimerFired
from agents.next_step import next_work
from bot.engine import CommitResult, new_messages
from storage.jobs import Job, defer
from storage.write_batch import WriteBatch

_DECISION_EVENTS = (RequestAnswered, RequestExpired, TimerFired)
_DECIDED_JOB_PRIORITY = 10
"""The priority of what people or the clock have decided: it goes before new model calls."""


def enqueue_follow_ups(writes: WriteBatch, commit: CommitResult) -> None:
    """For commits from outside: somebody has to move the thread on."""
    defer(writes, (*_advance_jobs(commit), *_deliver_jobs(commit), *_timer_jobs(commit)))


def enqueue_deliveries_and_timers(writes: WriteBatch, commit: CommitResult) -> None:
    """For commits of the worker that is moving the thread on itself, and goes on with it."""
    defer(writes, (*_deliver_jobs(commit), *_timer_jobs(commit)))


def advance_job(thread_id: str, priority: int = 0, *, failures: int = 0) -> Job:
    """One at a time for each thread; of those that wait one is enough, since it looks at the thread as it is then."""
    arguments = {"thread": thread_id, "failed": str(failures)}
    return Job("advance", arguments, priority=priority, lock=thread_id, queueing_lock=f"advance:{thread_id}")


def timer_job(thread_id: str, at: datetime, *, failures: int = 0, as_of: datetime | None = None) -> Job:
    """Without a lock: a job for later would keep all others of its thread waiting until then.

    `failed` tells how often in a row the thread could not be moved on, so that the wait is longer each time. `as_of` is
    the time of this process where the database's clock was seen to be ahead of it.
    """
    when = at.isoformat()
    arguments = {"thread": thread_id, "at": when, "failed": str(failures)}
    return Job("timer", arguments, queueing_lock=f"timer:{thread_id}:{when}", at=at, as_of=as_of)


def deliver_job(thread_id: str, to: Address, priority: int = 0) -> Job:
    """In order for each destination, also while the first is tried again and again."""
    return Job("deliver", {"thread": thread_id, "to": to}, priority=priority, lock=f"to:{to}")


def redeliver_job(thread_id: str, to: Address) -> Job:
    """For a message that lies there though its own job may be lost: some attempt may have arrived."""
    arguments = {"thread": thread_id, "to": to, "again": "yes"}
    return Job("deliver", arguments, lock=f"to:{to}", queueing_lock=f"deliver:{thread_id}:{to}")


def _advance_jobs(commit: CommitResult) -> Iterator[Job]:
    if next_work(commit.after):
        decided = any(isinstance(event, _DECISION_EVENTS) for event in commit.events)
        yield advance_job(commit.after.thread_id, _DECIDED_JOB_PRIORITY if decided else 0)


def _deliver_jobs(commit: CommitResult) -> Iterator[Job]:
    """Cards before words: somebody waits for what is asked there."""
    effects = new_messages(commit.before, commit.after)
    for to in dict.fromkeys(effect.to for effect in effects):
        asks = any(effect.to == to and effect.message.card is not None for effect in effects)
        yield deliver_job(commit.after.thread_id, to, _DECIDED_JOB_PRIORITY if asks else 0)


def _timer_jobs(commit: CommitResult) -> Iterator[Job]:
    at = next_deadline(commit.after)
    if at is not None and at != next_deadline(commit.before):
        yield timer_job(commit.after.thread_id, at)
