"""A channel with a status shows why no agent works on a thread."""

import pytest

from agents.core.events import StepRejected, ThreadCancelled, ThreadFinished, ThreadPaused
from agents.core.state import ThreadState
from agents.core.steps import Await
from agents.core.values import Address
from bot.delivery.feedback import StatusReporter
from channels.abilities import IdleReason
from tests.agents.factories import (
    ALLOW_ALL,
    NOW,
    TERMINAL,
    after_step,
    seconds_later,
    thread,
    thread_waiting_for_approval,
)
from tests.harness.people import ALICE


class RecordingStatusChannel:
    """Channel that records why threads are idle."""

    def __init__(self) -> None:
        self.idle_reasons: list[tuple[Address, IdleReason]] = []

    def set_busy(self, address: Address, activity: str) -> None:
        raise AssertionError(f"{address} was reported as busy: {activity}")

    def set_idle(self, address: Address, reason: IdleReason) -> None:
        self.idle_reasons.append((address, reason))


RETRIED_LATER = StepRejected(
    at=NOW, actor=ALICE, outcome="unavailable", detail="away", model="m", retry_at=seconds_later(60)
)


@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [
        (thread_waiting_for_approval(), "waiting_for_human", "waiting"),
        (after_step(thread(), Await(seconds=60, reason="tea"), ALLOW_ALL), "waiting_for_time", "waiting"),
        (thread(RETRIED_LATER), "waiting_for_time", "waiting"),
        (thread(ThreadPaused(at=NOW, actor=ALICE, reason="lunch")), "paused", "waiting"),
        (thread(ThreadFinished(at=NOW, actor=ALICE, reason="done")), "done", "done"),
        (thread(ThreadFinished(at=NOW, actor=ALICE, outcome="failed", reason="stuck")), "failed", "done"),
        (thread(ThreadCancelled(at=NOW, actor=ALICE, reason="enough")), "cancelled", "cancelled"),
    ],
)
def test_idle_thread_waits_unless_its_work_has_ended(state: ThreadState, status: str, reason: IdleReason) -> None:
    channel = RecordingStatusChannel()
    StatusReporter({"terminal": channel}).report_idle(state)
    assert (state.status, channel.idle_reasons) == (status, [(TERMINAL, reason)])
