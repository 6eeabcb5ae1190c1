"""Several processes, of which one is killed or suspended: the others finish, and only idempotent calls may repeat."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from signal import SIGSTOP, SIGTERM

import pytest

from tests.crashes.checker import find_violations
from tests.crashes.crash_cases import TOOL_BY_EFFECT_CLASS
from tests.crashes.process_pool import wait_until
from tests.crashes.scenario import SHORT_HEARTBEAT_TIMEOUT_SECONDS, CrashScenario, multi_process
from tests.crashes.simulated_users import ConcurrentUsers, requester_and_responder, task_function
from tests.crashes.snapshot import SystemSnapshot
from tests.crashes.tool_calls import tool_call_histories
from tests.slow_cases import slow

THREAD_COUNT = 200
PAGER_COUNT = 20
"""Number of addresses in the tests' pager channel to which the replies go."""
LOAD_TIMEOUT_SECONDS = 280.0
"""Timeout of the whole load on a busy machine; it takes about ten seconds on an idle one."""
WORKER_INDEX = 1
"""Index of a worker in the layout web, worker, worker, clock."""

pytestmark = [multi_process, pytest.mark.timeout(600)]


@contextmanager
def approved_threads(scenario: CrashScenario, command: str) -> Iterator[ConcurrentUsers]:
    """Start THREAD_COUNT threads, with Bob approving the request of each; wait for all at the end."""
    alice, bob = requester_and_responder(scenario)
    scenario.start()
    with ConcurrentUsers(scenario, replace(bob, concurrency=8)) as users:
        for order in range(THREAD_COUNT):
            users.start_task(
                partial(replace(alice, pager=f"alice-{order % PAGER_COUNT}").start_thread, f"{command} {order}")
            )
        yield users
        users.wait_until_idle(LOAD_TIMEOUT_SECONDS)


def wait_until_a_third_is_done(scenario: CrashScenario) -> None:
    """Wait until a third of the work is done."""
    side_effects = scenario.journals.side_effects
    wait_until(
        lambda: len(side_effects.read_entries()) > THREAD_COUNT // 3,
        lambda: f"too few runs: {scenario.log_tail}",
        LOAD_TIMEOUT_SECONDS,
    )
    assert len(side_effects.read_entries()) < THREAD_COUNT


def check_all_done(snapshot: SystemSnapshot) -> None:
    assert find_violations(snapshot, is_work_finished=True) == []
    assert len(snapshot.threads) == THREAD_COUNT
    assert {row.status for row in snapshot.threads.values()} == {"done"}
    approvals = [row for row in snapshot.requests.values() if row.status == "approved"]
    assert len(approvals) == THREAD_COUNT


@slow  # the random kills of several processes, and the takeover below, cover this in less time
def test_worker_killed_under_load_leaves_each_tool_run_once(
    scenario: CrashScenario,
) -> None:
    """The outcome of a call that was running is unknown.

    Bob looks it up in the tools' journal, a file of the side effects that really happened, and answers. His answer
    decides whether the call is repeated.
    """
    with approved_threads(scenario, "wire"):  # effect class once
        wait_until_a_third_is_done(scenario)
        scenario.kill_one(WORKER_INDEX)
    scenario.kill()
    snapshot = scenario.take_snapshot()
    check_all_done(snapshot)
    assert Counter(entry["order"] for entry in snapshot.side_effects) == {
        str(order): 1 for order in range(THREAD_COUNT)
    }


@slow  # the test with one suspended worker below covers this in less time
def test_suspended_worker_changes_nothing_when_resumed(
    scenario: CrashScenario,
) -> None:
    with approved_threads(scenario, "ship"):  # idempotent
        wait_until_a_third_is_done(scenario)
        scenario.processes[WORKER_INDEX].send_signal(SIGSTOP)
    before = scenario.take_snapshot()
    check_all_done(before)
    snapshot = resume_and_stop(scenario, before)
    assert {entry["key"] for entry in snapshot.side_effects} == {entry["key"] for entry in before.side_effects}
    assert len({entry["key"] for entry in snapshot.side_effects}) == THREAD_COUNT


def resume_and_stop(scenario: CrashScenario, before: SystemSnapshot) -> SystemSnapshot:
    """Resume the suspended process, stop all with SIGTERM, and check that the logs have not changed."""
    scenario.resume()
    scenario.send_signal(SIGTERM)
    assert [process.wait() for process in scenario.processes] == [0] * len(scenario.processes)
    snapshot = scenario.take_snapshot(before)
    assert find_violations(snapshot, is_work_finished=True) == []
    assert snapshot.logs == before.logs
    return snapshot


def suspend_and_resume(scenario: CrashScenario, kill_point: str, task: str) -> SystemSnapshot:
    """Suspend one process at the kill point, let the others finish, and resume it."""
    alice, bob = requester_and_responder(scenario)
    scenario.heartbeat_timeout_seconds = SHORT_HEARTBEAT_TIMEOUT_SECONDS
    scenario.start(kill_point, flags=["--suspend"])
    with ConcurrentUsers(scenario, bob) as users:
        users.start_task(task_function(task, alice))
        wait_until(
            lambda: scenario.was_reached(kill_point),
            lambda: f"no process was suspended at {kill_point!r}: {scenario.log_tail}",
        )
        users.wait_until_idle()
    before = scenario.take_snapshot()
    assert find_violations(before, is_work_finished=True) == []
    assert {row.status for row in before.threads.values()} == {"done"}
    return resume_and_stop(scenario, before)


@pytest.mark.parametrize(
    ("kill_point", "effect_class", "outcome_requests"),
    [
        pytest.param("model answered", "once", 0, marks=slow),
        pytest.param("RunTool started", "once", 0, marks=slow),
        pytest.param("after the commit of ToolStarted", "once", 1, marks=slow),
        ("before the commit of ToolSucceeded", "verifiable", 0),
        pytest.param("before sending card update", "idempotent", 0, marks=slow),
    ],
)
def test_resumed_worker_does_not_overwrite_the_worker_that_took_over(
    kill_point: str, effect_class: str, outcome_requests: int, scenario: CrashScenario
) -> None:
    snapshot = suspend_and_resume(scenario, kill_point, effect_class)
    assert [entry["tool"] for entry in snapshot.side_effects] == [TOOL_BY_EFFECT_CLASS[effect_class]]
    assert sum(len(call.unknown_outcome_events) for call in tool_call_histories(snapshot)) == outcome_requests


def test_timer_is_fired_once_if_its_process_was_suspended(scenario: CrashScenario) -> None:
    """The first process is suspended before its commit; the second fires the timer; the first finds it fired."""
    snapshot = suspend_and_resume(scenario, "before the commit of TimerFired", "timer")
    assert len(list(snapshot.events_of_type("TimerFired"))) == 1


@pytest.mark.parametrize(
    ("effect_class", "runs", "outcome_requests"),
    [
        pytest.param("idempotent", 2, 0, marks=slow),
        pytest.param("verifiable", 1, 0, marks=slow),
        ("once", 1, 1),
    ],
)
def test_another_worker_takes_over_after_a_kill(
    effect_class: str, runs: int, outcome_requests: int, scenario: CrashScenario
) -> None:
    alice, bob = requester_and_responder(scenario)
    kill_point = f"{TOOL_BY_EFFECT_CLASS[effect_class]} done"
    scenario.heartbeat_timeout_seconds = SHORT_HEARTBEAT_TIMEOUT_SECONDS
    scenario.start(kill_point)
    with ConcurrentUsers(scenario, bob) as users:
        users.start_task(task_function(effect_class, alice))
        wait_until(
            lambda: scenario.has_exited_process, lambda: f"no process was killed at {kill_point!r}: {scenario.log_tail}"
        )
        users.wait_until_idle()
    assert sum(process.was_killed for process in scenario.processes) == 1
    scenario.kill()
    snapshot = scenario.take_snapshot()
    assert find_violations(snapshot, is_work_finished=True) == []
    assert len(snapshot.side_effects) == runs
    assert sum(len(call.unknown_outcome_events) for call in tool_call_histories(snapshot)) == outcome_requests
