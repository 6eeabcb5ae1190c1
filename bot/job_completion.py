"""Finish the `advance` job in the commit that leaves its thread without work.

The lock of the thread is thus released before people see the result and react to it.
"""

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
    """The `advance` jobs that run in this process, by thread, and the commits that finish them."""

    _running_jobs: dict[str, RunningJob] = field(default_factory=dict)
    _final_commits: dict[str, CommitResult] = field(default_factory=dict)

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

    def enqueue_and_finish(self, writes: WriteBatch, commit: CommitResult) -> None:
        """Enqueue the jobs of a commit by the thread's own worker; finish its job if the thread has no work left."""
        enqueue_deliveries_and_timers(writes, commit)
        job = self._running_jobs.get(commit.after.thread_id)
        if job is not None and not next_work(commit.after):
            self._final_commits[commit.after.thread_id] = commit
            job.finish_in(writes)

    def on_commit(self, commit: CommitResult) -> None:
        """Mark the job as finished if this commit finished it; commits of other writers do not."""
        thread_id = commit.after.thread_id
        if self._final_commits.get(thread_id) is commit and thread_id in self._running_jobs:
            self._running_jobs[thread_id].is_finished = True
