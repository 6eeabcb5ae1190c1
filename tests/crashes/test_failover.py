"""Several processes, one of which dies or stands still in the middle: the others finish everything, each deed once."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from signal import SIGSTOP, SIGTERM

import pytest

from tests.crashes.checker import find_violations
from tests.crashes.crash_cases import TOOL_BY_EFFECT
from tests.crashes.process_pool import wait_until
from tests.crashes.scenario import SHORT_HEARTBEAT_TIMEOUT_SECONDS, CrashScenario, multi_process
from tests.crashes.simulated_users import ConcurrentUsers, requester_and_responder, task_function
from tests.crashes.snapshot import SystemSnapshot
from tests.crashes.tool_calls import tool_call_histories

ROUND_TRIPS = 200
PAGERS = 20
FOR_MANY = 280.0
"""Seconds that so many may take, on a machine that has much else to do; some ten on an idle one."""
WORKER = 1
"""One of the two: the roles are web, worker, worker and clock."""

pytestmark = [multi_process, pytest.mark.timeout(600)]


@contextmanager
def round_trips(scenario: CrashScenario, words: str) -> Iterator[ConcurrentUsers]:
    """Many at once: Alice wants as many things as there are round trips, and Bob approves each."""
    alice, bob = requester_and_responder(scenario)
    scenario.start()
    with ConcurrentUsers(scenario, replace(bob, concurrency=8)) as users:
        for order in range(ROUND_TRIPS):
            users.start_task(partial(replace(alice, pager=f"alice-{order % PAGERS}").start_thread, f"{words} {order}"))
        yield users
        users.wait_until_idle(FOR_MANY)


def in_the_middle(scenario: CrashScenario) -> None:
    """A third is done, and people go on answering."""
    deeds = scenario.journals.side_effects
    wait_until(
        lambda: len(deeds.read_entries()) > ROUND_TRIPS // 3, lambda: f"too little: {scenario.log_tail}", FOR_MANY
    )
    assert len(deeds.read_entries()) < ROUND_TRIPS


def check_each_is_done(snapshot: SystemSnapshot) -> None:
    assert find_violations(snapshot, is_settled=True) == []
    assert len(snapshot.threads) == ROUND_TRIPS
    assert {row.status for row in snapshot.threads.values()} == {"done"}
    approvals = [row for row in snapshot.requests.values() if row.status == "approved"]
    assert len(approvals) == ROUND_TRIPS


def test_worker_killed_under_load_leaves_each_tool_run_once(
    scenario: CrashScenario,
) -> None:
    """Of a call that was running nobody knows whether it ran, so Bob looks; nothing is started twice without him."""
    with round_trips(scenario, "wire"):
        in_the_middle(scenario)
        scenario.kill_one(WORKER)
    scenario.kill()
    snapshot = scenario.take_snapshot()
    check_each_is_done(snapshot)
    assert Counter(deed["order"] for deed in snapshot.side_effects) == {str(order): 1 for order in range(ROUND_TRIPS)}


def test_suspended_worker_changes_nothing_when_resumed(
    scenario: CrashScenario,
) -> None:
    with round_trips(scenario, "ship"):
        in_the_middle(scenario)
        scenario.processes[WORKER].send_signal(SIGSTOP)
    before = scenario.take_snapshot()
    check_each_is_done(before)
    snapshot = woken(scenario, before)
    assert {deed["key"] for deed in snapshot.side_effects} == {deed["key"] for deed in before.side_effects}
    assert len({deed["key"] for deed in snapshot.side_effects}) == ROUND_TRIPS


def woken(scenario: CrashScenario, before: SystemSnapshot) -> SystemSnapshot:
    """What there is once whoever stood still has gone on, done all it had in its hands, and stopped when asked to."""
    scenario.resume()
    scenario.send_signal(SIGTERM)
    assert [process.wait() for process in scenario.processes] == [0] * len(scenario.processes)
    snapshot = scenario.take_snapshot(before)
    assert find_violations(snapshot, is_settled=True) == []
    assert snapshot.logs == before.logs
    return snapshot


def stood_still(scenario: CrashScenario, place: str, errand: str) -> SystemSnapshot:
    """What there is when one process stood still at a place, the others finished, and it was woken."""
    alice, bob = requester_and_responder(scenario)
    scenario.heartbeat_timeout_seconds = SHORT_HEARTBEAT_TIMEOUT_SECONDS
    scenario.start(place, 1, "--suspend")
    with ConcurrentUsers(scenario, bob) as users:
        users.start_task(task_function(errand, alice))
        wait_until(lambda: scenario.was_reached(place), lambda: f"nobody stood still {place!r}: {scenario.log_tail}")
        users.wait_until_idle()
    before = scenario.take_snapshot()
    assert find_violations(before, is_settled=True) == []
    assert {row.status for row in before.threads.values()} == {"done"}
    return woken(scenario, before)


@pytest.mark.parametrize(
    ("place", "effect", "doubts"),
    [
        ("model answered", "once", 0),
        ("RunTool started", "once", 0),
        ("after the commit of ToolStarted", "once", 1),
        ("before the commit of ToolSucceeded", "verifiable", 0),
        ("before sending card update", "idempotent", 0),
    ],
)
def test_resumed_worker_does_not_overwrite_new_owner(
    place: str, effect: str, doubts: int, scenario: CrashScenario
) -> None:
    snapshot = stood_still(scenario, place, effect)
    assert [deed["tool"] for deed in snapshot.side_effects] == [TOOL_BY_EFFECT[effect]]
    assert sum(len(call.unknown_outcome_events) for call in tool_call_histories(snapshot)) == doubts


def test_one_of_two_clock_processes_fires_a_timer(scenario: CrashScenario) -> None:
    """The first is about to commit when it stands still; the second fires; the first wakes and finds it fired."""
    snapshot = stood_still(scenario, "before the commit of TimerFired", "timer")
    assert len(list(snapshot.of_type("TimerFired"))) == 1


@pytest.mark.parametrize(("effect", "deeds", "doubts"), [("idempotent", 2, 0), ("verifiable", 1, 0), ("once", 1, 1)])
def test_another_worker_takes_over_after_a_kill(effect: str, deeds: int, doubts: int, scenario: CrashScenario) -> None:
    alice, bob = requester_and_responder(scenario)
    place = f"{TOOL_BY_EFFECT[effect]} done"
    scenario.heartbeat_timeout_seconds = SHORT_HEARTBEAT_TIMEOUT_SECONDS
    scenario.start(place)
    with ConcurrentUsers(scenario, bob) as users:
        users.start_task(task_function(effect, alice))
        wait_until(lambda: scenario.has_exited_process, lambda: f"nobody died {place!r}: {scenario.log_tail}")
        users.wait_until_idle()
    assert sum(process.was_killed for process in scenario.processes) == 1
    scenario.kill()
    snapshot = scenario.take_snapshot()
    assert find_violations(snapshot, is_settled=True) == []
    assert len(snapshot.side_effects) == deeds
    assert sum(len(call.unknown_outcome_events) for call in tool_call_histories(snapshot)) == doubts
