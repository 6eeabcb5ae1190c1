"""A job that moves a thread on ends in the commit that leaves nothing to do: its lock is free when people see why."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from agents.next_step import next_work
from bot.engine import CommitResult
from bot.jobs import enqueue_deliveries_and_timers
from storage.jobs import RunningJob
from storage.write_batch import WriteBatch


@dataclass
class JobCompletion:
    """The jobs this process moves threads on for, by thread, and the commits that are to end them."""

    _running_jobs: dict[str, RunningJob] = field(default_factory=dict)
    _final_commits: dict[str, CommitResult] = field(default_factory=dict)

    @contextmanager
    def track(self, thread_id: str, job: RunningJob) -> Iterator[None]:
        """Within the block the thread is moved on for this job."""
        self._running_jobs[thread_id] = job
        try:
            yield
        finally:
            if self._running_jobs.get(thread_id) is job:
                del self._running_jobs[thread_id]
                self._final_commits.pop(thread_id, None)

    def enqueue_and_finish(self, writes: WriteBatch, commit: CommitResult) -> None:
        """For commits of the worker that moves the thread on itself, and goes on with it."""
        enqueue_deliveries_and_timers(writes, commit)
        job = self._running_jobs.get(commit.after.thread_id)
        if job is not None and not next_work(commit.after):
            self._final_commits[commit.after.thread_id] = commit
            job.finish_in(writes)

    def on_commit(self, commit: CommitResult) -> None:
        """Told of every commit. Others may commit to the thread too, and end no job of ours."""
        thread_id = commit.after.thread_id
        if self._final_commits.get(thread_id) is commit and thread_id in self._running_jobs:
            self._running_jobs[thread_id].is_finished = True
