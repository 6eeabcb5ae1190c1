"""Whoever is rung for looks as often as there are jobs, and never leaves one lying that was rung for."""

from collections import deque
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from storage.jobs.procrastinate_patches import NotificationCounter


@dataclass
class FakeJobQueue:
    """Jobs, and a worker that looks for them as Procrastinate's does: after each one it finds, again."""

    wakeups: NotificationCounter = field(default_factory=NotificationCounter)
    jobs: deque[str] = field(default_factory=deque)
    meanwhile: deque[bool] = field(default_factory=deque)
    fetches: int = 0

    def put(self, *, rung: bool) -> None:
        self.jobs.append("job")
        self.wakeups.unhandled += rung

    def wake(self) -> None:
        while self._fetched():
            pass

    def _fetched(self) -> bool:
        found, enough = False, self.wakeups.may_skip_fetch()
        while not enough:
            self.fetches += 1
            before = self.wakeups.unhandled
            found = bool(self.jobs) and self.jobs.popleft() is not None
            if self.meanwhile:
                self.put(rung=self.meanwhile.popleft())
            enough = self.wakeups.record_fetch(before, has_job=found)
        return found


def test_a_job_that_was_rung_for_costs_one_look() -> None:
    shelf = FakeJobQueue()
    for _ in range(5):
        shelf.put(rung=True)
        shelf.wake()
    assert (shelf.fetches, list(shelf.jobs)) == (5, [])


def test_who_comes_without_a_ring_finds_all_there_is() -> None:
    shelf = FakeJobQueue()
    for _ in range(5):
        shelf.put(rung=False)
    shelf.wake()
    assert (shelf.fetches, list(shelf.jobs)) == (6, [])


def test_a_ring_for_a_job_others_took_does_not_count_for_the_next_one() -> None:
    shelf = FakeJobQueue()
    shelf.wakeups.unhandled += 3
    shelf.wake()
    shelf.put(rung=True)
    shelf.wake()
    assert (shelf.fetches, list(shelf.jobs)) == (2, [])


@given(st.lists(st.lists(st.booleans(), max_size=5), max_size=8), st.lists(st.just(True), max_size=8))
def test_no_job_that_was_rung_for_is_left(batches: list[list[bool]], meanwhile: list[bool]) -> None:
    shelf = FakeJobQueue(meanwhile=deque(meanwhile))
    for batch in batches:
        unrung = len(shelf.jobs)
        for rung in batch:
            shelf.put(rung=rung)
        shelf.wake()
        assert len(shelf.jobs) <= unrung + batch.count(False)
    shelf.wake()
    assert not shelf.jobs
