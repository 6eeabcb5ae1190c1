"""A job that moves a thread on ends in the commit that leaves nothing to do: its lock is free when people see why."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from agents.next_step import work
from bot.engine import Recorded
from bot.jobs import defer_what_others_do
from storage.jobs import HeldJob
from storage.writes import Writes


@dataclass
class Endings:
    """The jobs this process moves threads on for, by thread, and the commits that are to end them."""

    _held: dict[str, HeldJob] = field(default_factory=dict)
    _last: dict[str, Recorded] = field(default_factory=dict)

    @contextmanager
    def of(self, thread_id: str, job: HeldJob) -> Iterator[None]:
        """Within the block the thread is moved on for this job."""
        self._held[thread_id] = job
        try:
            yield
        finally:
            if self._held.get(thread_id) is job:
                del self._held[thread_id]
                self._last.pop(thread_id, None)

    def defer(self, writes: Writes, recorded: Recorded) -> None:
        """For commits of the worker that moves the thread on itself, and goes on with it."""
        defer_what_others_do(writes, recorded)
        job = self._held.get(recorded.after.thread_id)
        if job is not None and not work(recorded.after):
            self._last[recorded.after.thread_id] = recorded
            job.end(writes)

    def notice(self, recorded: Recorded) -> None:
        """Told of every commit. Others may commit to the thread too, and end no job of ours."""
        thread_id = recorded.after.thread_id
        if self._last.get(thread_id) is recorded and thread_id in self._held:
            self._held[thread_id].ended = True
