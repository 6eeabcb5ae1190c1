"""kill -9 at every named point between two writes: nothing is lost, and only repeatable work is repeated."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.crashes.checker import find_violations
from tests.crashes.crash_cases import (
    ANY_EVENT,
    CRASH_CASES,
    JOB_CRASH_CASES,
    LOST_COMMIT_CASES,
    QUICK_CASES,
    SEPARATE_TESTS_BY_NUMBER,
    CrashCase,
    LostCommitCase,
    is_quick,
)
from tests.crashes.process_pool import wait_until
from tests.crashes.scenario import SINGLE_PROCESS_DEPLOYMENTS, CrashScenario, deployment_id
from tests.crashes.simulated_users import TASKS, ConcurrentUsers, requester_and_responder, task_function
from tests.crashes.snapshot import SystemSnapshot
from tests.crashes.tool_calls import tool_call_histories
from tests.slow_cases import spread


def expected_last_types(case: CrashCase) -> tuple[str | None, ...]:
    """Return the possible types of the last event.

    An open request can be answered before its card is shown. After a lost wake-up another loop of the process can still
    record a delivery before the kill.
    """
    types: tuple[str | None, ...] = (case.last_event,)
    if case.last_event in ("RequestOpened", "RequestShown"):
        types += ("RequestAnswered",)
    if case.kill_point.startswith("wake-up lost"):
        types += ("MessageSent", "RequestShown")
    return types


def id_of(value: CrashCase | tuple[str, str]) -> str:
    return value.name if isinstance(value, CrashCase) else deployment_id(value)


def on_deployments(cases: Sequence[CrashCase], deployments: Sequence[tuple[str, str]] = SINGLE_PROCESS_DEPLOYMENTS):
    """Parametrize a test with each case on each deployment; the quick cases alternate between them."""
    parameters = spread(cases, deployments, is_quick)
    return pytest.mark.parametrize(("case", "scenario"), parameters, ids=id_of, indirect=["scenario"])


@on_deployments(CRASH_CASES)
def test_restart_after_kill_at_named_point_recovers(case: CrashCase, scenario: CrashScenario) -> None:
    assert_recovery_after_kill(case, scenario)


@on_deployments(JOB_CRASH_CASES, [("postgresql", "one process")])
def test_job_of_killed_process_is_done_again_or_found_done(case: CrashCase, scenario: CrashScenario) -> None:
    assert_recovery_after_kill(case, scenario)


def assert_recovery_after_kill(case: CrashCase, scenario: CrashScenario) -> None:
    """Kill a process at the point of the case, start it again, and check that nothing is lost or repeated."""
    alice, bob = requester_and_responder(scenario)
    scenario.start(case.earlier_kill_point or case.kill_point, 1 if case.earlier_kill_point else case.occurrence)
    with ConcurrentUsers(scenario, bob) as users:
        users.start_task(task_function(case.task, alice))
        if case.earlier_kill_point:
            scenario.wait_for_kill(case.earlier_kill_point)
            scenario.start(case.kill_point, case.occurrence)
        scenario.wait_for_kill(case.kill_point, case.occurrence)
        at_kill = scenario.take_snapshot()
        scenario.start()
        users.wait_until_idle()
    scenario.kill()
    assert find_violations(at_kill, is_work_finished=False) == []
    if case.committed_event is not None:
        assert list(at_kill.events_of_type(case.committed_event)) != []
    else:
        assert last_event_type(at_kill) in expected_last_types(case) or case.last_event == ANY_EVENT
    assert side_effect_count(at_kill, case) in case.allowed_at_kill
    check_recovered(scenario.take_snapshot(at_kill), case)


@on_deployments(LOST_COMMIT_CASES)
def test_lost_commit_result_is_neither_forgotten_nor_repeated(case: LostCommitCase, scenario: CrashScenario) -> None:
    alice, bob = requester_and_responder(scenario)
    scenario.start(case.kill_point)
    with ConcurrentUsers(scenario, bob) as users:
        users.start_task(task_function(case.task, alice))
        wait_until(lambda: scenario.was_reached(case.kill_point), lambda: f"no result was lost: {scenario.log_tail}")
        if case.needs_restart and not scenario.has_job_queue:
            scenario.kill()
            scenario.start()
        users.wait_until_idle()
    assert scenario.has_exited_process is False
    scenario.kill()
    check_recovered(scenario.take_snapshot(), case)


def check_recovered(snapshot: SystemSnapshot, case: CrashCase) -> None:
    """Check all invariants and the expectations of this case."""
    assert find_violations(snapshot, is_work_finished=True) == []
    assert side_effect_count(snapshot, case) in case.allowed_finally
    assert sum(len(call.unknown_outcome_events) for call in tool_call_histories(snapshot)) == case.outcome_requests
    assert {row.status for row in snapshot.threads.values()} == {"done"}


def last_event_type(snapshot: SystemSnapshot) -> str | None:
    """Return the type of the last event, None if there is none."""
    return next((log[-1].type for log in snapshot.logs.values()), None)


def side_effect_count(snapshot: SystemSnapshot, case: CrashCase) -> int:
    """Return how often the tool of this case ran."""
    tool = "pay" if case.task == "two messages" else TASKS[case.task][0]
    return sum(effect["tool"] == tool for effect in snapshot.side_effects)


def test_each_of_the_18_crash_points_has_a_test() -> None:
    covered = {case.number for case in (*CRASH_CASES, *LOST_COMMIT_CASES)}
    assert covered | SEPARATE_TESTS_BY_NUMBER.keys() == set(range(1, 19))


def test_quick_cases_exist_and_cover_the_groups() -> None:
    quick = [case for case in (*CRASH_CASES, *JOB_CRASH_CASES, *LOST_COMMIT_CASES) if is_quick(case)]
    assert {(case.kill_point, case.task) for case in quick} == QUICK_CASES
    assert {case.number for case in quick} >= {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 18}


@pytest.mark.parametrize("test_id", SEPARATE_TESTS_BY_NUMBER.values())
def test_separate_tests_of_crash_points_exist(test_id: str) -> None:
    file, _, test_name = test_id.partition(": ")
    assert f"def {test_name}(" in (Path(__file__).with_name(file)).read_text(encoding="utf-8")
