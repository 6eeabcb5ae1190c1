"""A notified worker fetches as often as there are jobs, and leaves no notified job."""

from collections import deque
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from storage.jobs.procrastinate_patches import NotificationCounter


@dataclass
class FakeJobQueue:
    """Jobs, and a worker that fetches again after each job it finds, as Procrastinate's does."""

    notifications: NotificationCounter = field(default_factory=NotificationCounter)
    jobs: deque[str] = field(default_factory=deque)
    meanwhile: deque[bool] = field(default_factory=deque)
    fetches: int = 0

    def put(self, *, is_notified: bool) -> None:
        self.jobs.append("job")
        self.notifications.unhandled += is_notified

    def fetch_all(self) -> None:
        while self._fetch():
            pass

    def _fetch(self) -> bool:
        found, is_done = False, self.notifications.may_skip_fetch()
        while not is_done:
            self.fetches += 1
            before = self.notifications.unhandled
            found = bool(self.jobs) and self.jobs.popleft() is not None
            if self.meanwhile:
                self.put(is_notified=self.meanwhile.popleft())
            is_done = self.notifications.record_fetch(before, has_job=found)
        return found


def test_notified_job_costs_one_fetch() -> None:
    queue = FakeJobQueue()
    for _ in range(5):
        queue.put(is_notified=True)
        queue.fetch_all()
    assert (queue.fetches, list(queue.jobs)) == (5, [])


def test_fetch_without_a_notification_finds_all_jobs() -> None:
    queue = FakeJobQueue()
    for _ in range(5):
        queue.put(is_notified=False)
    queue.fetch_all()
    assert (queue.fetches, list(queue.jobs)) == (6, [])


def test_notification_of_a_taken_job_does_not_hide_the_next() -> None:
    queue = FakeJobQueue()
    queue.notifications.unhandled += 3
    queue.fetch_all()
    queue.put(is_notified=True)
    queue.fetch_all()
    assert (queue.fetches, list(queue.jobs)) == (2, [])


@given(st.lists(st.lists(st.booleans(), max_size=5), max_size=8), st.lists(st.just(True), max_size=8))
def test_every_notified_job_is_fetched(batches: list[list[bool]], meanwhile: list[bool]) -> None:
    queue = FakeJobQueue(meanwhile=deque(meanwhile))
    for batch in batches:
        not_notified = len(queue.jobs)
        for is_notified in batch:
            queue.put(is_notified=is_notified)
        queue.fetch_all()
        assert len(queue.jobs) <= not_notified + batch.count(False)
    queue.fetch_all()
    assert not queue.jobs
