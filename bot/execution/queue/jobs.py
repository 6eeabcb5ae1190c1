"""Jobs that follow from a commit when several processes share the work."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from agents.core.deadlines import next_deadline
from agents.core.events import RequestAnswered, RequestExpired, TimerFired
from agents.core.next_step import next_work
from agents.core.values import Address
from bot.services.engine import CommitResult, new_messages
from storage.database.transactions import WriteBatch
from storage.jobs import Job, RunningJob, defer

_DECISION_EVENTS = (RequestAnswered, RequestExpired, TimerFired)
_DECIDED_JOB_PRIORITY = 10
"""Priority of threads in which a person or a timer decided something: they run before new model calls."""


def enqueue_follow_ups(writes: WriteBatch, commit: CommitResult) -> None:
    """Enqueue the jobs that run the thread, deliver its messages and fire its next timer."""
    defer(writes, (*_advance_jobs(commit), *_deliver_jobs(commit), *_timer_jobs(commit)))


def enqueue_deliveries_and_timers(writes: WriteBatch, commit: CommitResult) -> None:
    """Enqueue the jobs for messages and the next timer. The caller is the worker that is running the thread."""
    defer(writes, (*_deliver_jobs(commit), *_timer_jobs(commit)))


def advance_job(thread_id: str, priority: int = 0, *, failures: int = 0) -> Job:
    """Return a job that runs the thread. At most one runs and one waits, because a run reads the latest state."""
    arguments = {"thread": thread_id, "failed": str(failures)}
    return Job("advance", arguments, priority=priority, lock=thread_id, queueing_lock=f"advance:{thread_id}")


def timer_job(thread_id: str, at: datetime, *, failures: int = 0, as_of: datetime | None = None) -> Job:
    """Return a job that wakes the thread at a time. It has no lock: a waiting job would block others of its thread.

    `failures` is how often in a row running the thread failed; it determines the back-off. `as_of` is the current time
    of this process, given when the database's clock is ahead of it.
    """
    due_at = at.isoformat()
    arguments = {"thread": thread_id, "at": due_at, "failed": str(failures)}
    return Job("timer", arguments, queueing_lock=f"timer:{thread_id}:{due_at}", at=at, as_of=as_of)


def deliver_job(thread_id: str, to: Address, priority: int = 0) -> Job:
    """Return a job that delivers messages. Its lock keeps the order per destination, also during retries."""
    return Job("deliver", {"thread": thread_id, "to": to}, priority=priority, lock=f"to:{to}")


def redeliver_job(thread_id: str, to: Address) -> Job:
    """Return a job for messages whose own job may be lost. An earlier attempt may have delivered them."""
    arguments = {"thread": thread_id, "to": to, "again": "yes"}
    return Job("deliver", arguments, lock=f"to:{to}", queueing_lock=f"deliver:{thread_id}:{to}")


def _advance_jobs(commit: CommitResult) -> Iterator[Job]:
    if next_work(commit.after):
        is_decided = any(isinstance(event, _DECISION_EVENTS) for event in commit.events)
        yield advance_job(commit.after.thread_id, _DECIDED_JOB_PRIORITY if is_decided else 0)


def _deliver_jobs(commit: CommitResult) -> Iterator[Job]:
    """Yield a job for each destination of the new messages. Cards have priority over text messages."""
    effects = new_messages(commit.before, commit.after)
    for to in dict.fromkeys(effect.to for effect in effects):
        has_card = any(effect.to == to and effect.message.card is not None for effect in effects)
        yield deliver_job(commit.after.thread_id, to, _DECIDED_JOB_PRIORITY if has_card else 0)


def _timer_jobs(commit: CommitResult) -> Iterator[Job]:
    at = next_deadline(commit.after)
    if at is not None and at != next_deadline(commit.before):
        yield timer_job(commit.after.thread_id, at)


@dataclass
class JobCompletion:
    """The `advance` jobs that run in this process, by thread, and the commits that finish them.

    A commit frees the lock of its thread, so the next job of the thread may run before `on_commit` is called.
    """

    _running_jobs: dict[str, RunningJob] = field(default_factory=dict)
    _final_commits: dict[str, tuple[CommitResult, RunningJob]] = field(default_factory=dict)

    @contextmanager
    def track(self, thread_id: str, job: RunningJob) -> Iterator[None]:
        """Register the job as the one that runs the thread within this block."""
        self._running_jobs[thread_id] = job
        try:
            yield
        finally:
            if self._running_jobs.get(thread_id) is job:
                del self._running_jobs[thread_id]
                self._final_commits.pop(thread_id, None)

    def enqueue(self, writes: WriteBatch, commit: CommitResult) -> None:
        """Enqueue the jobs that follow from a commit.

        A commit of the worker that runs the thread needs no job to run it. It finishes the worker's job if the thread
        has no work left.
        """
        if not commit.is_by_runner:
            enqueue_follow_ups(writes, commit)
            return
        enqueue_deliveries_and_timers(writes, commit)
        job = self._running_jobs.get(commit.after.thread_id)
        if job is not None and not next_work(commit.after):
            self._final_commits[commit.after.thread_id] = (commit, job)
            job.finish_in(writes)

    def on_commit(self, commit: CommitResult) -> None:
        """Mark the job as finished if this commit finished it; commits of other writers do not."""
        final_commit, job = self._final_commits.get(commit.after.thread_id, (None, None))
        if final_commit is commit and job is not None:
            job.is_finished = True
