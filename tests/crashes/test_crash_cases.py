"""kill -9 at every named point between two writes: nothing is lost, nothing is repeated that must not be."""

from pathlib import Path

import pytest

from tests.crashes.checker import find_violations
from tests.crashes.crash_cases import (
    ANY_EVENT,
    CRASH_CASES,
    JOB_CRASH_CASES,
    LOST_COMMIT_CASES,
    TESTS_BY_NUMBER,
    CrashCase,
    LostCommitCase,
)
from tests.crashes.process_pool import wait_until
from tests.crashes.scenario import CrashScenario, setting_id
from tests.crashes.simulated_users import TASKS, ConcurrentUsers, requester_and_responder, task_function
from tests.crashes.snapshot import SystemSnapshot
from tests.crashes.tool_calls import tool_call_histories


def expected_last(point: CrashCase) -> tuple[str | None, ...]:
    """Return the types the last event may have: people answer an open request also before its card is shown."""
    is_open = point.last_event in ("RequestOpened", "RequestShown")
    return (point.last_event, "RequestAnswered") if is_open else (point.last_event,)


@pytest.mark.parametrize("point", CRASH_CASES, ids=[point.name for point in CRASH_CASES])
def test_restart_after_kill_at_named_point_recovers(point: CrashCase, scenario: CrashScenario) -> None:
    alice, bob = requester_and_responder(scenario)
    scenario.start(point.earlier_kill_point or point.kill_point, 1 if point.earlier_kill_point else point.occurrence)
    with ConcurrentUsers(scenario, bob) as users:
        users.start_task(task_function(point.task, alice))
        if point.earlier_kill_point:
            scenario.wait_for_kill(point.earlier_kill_point)
            scenario.start(point.kill_point, point.occurrence)
        scenario.wait_for_kill(point.kill_point, point.occurrence)
        before = scenario.take_snapshot()
        scenario.start()
        users.wait_until_idle()
    scenario.kill()
    assert find_violations(before, is_settled=False) == []
    assert last(before) in expected_last(point) or point.last_event == ANY_EVENT
    assert deeds(before, point) in point.allowed_at_kill
    check_healed(scenario.take_snapshot(before), point)


@pytest.mark.parametrize("scenario", [("postgresql", "one process")], ids=setting_id, indirect=True)
@pytest.mark.parametrize("point", JOB_CRASH_CASES, ids=[point.name for point in JOB_CRASH_CASES])
def test_job_of_killed_process_is_done_again_or_found_done(point: CrashCase, scenario: CrashScenario) -> None:
    test_restart_after_kill_at_named_point_recovers(point, scenario)


@pytest.mark.parametrize("point", LOST_COMMIT_CASES, ids=[point.name for point in LOST_COMMIT_CASES])
def test_lost_commit_result_is_neither_forgotten_nor_repeated(point: LostCommitCase, scenario: CrashScenario) -> None:
    alice, bob = requester_and_responder(scenario)
    scenario.start(point.kill_point)
    with ConcurrentUsers(scenario, bob) as users:
        users.start_task(task_function(point.task, alice))
        wait_until(lambda: scenario.was_reached(point.kill_point), lambda: f"no word was lost: {scenario.log_tail}")
        if point.needs_restart and not scenario.has_job_queue:
            scenario.kill()
            scenario.start()
        users.wait_until_idle()
    assert scenario.has_exited_process is False
    scenario.kill()
    check_healed(scenario.take_snapshot(), point)


def check_healed(snapshot: SystemSnapshot, point: CrashCase) -> None:
    """All invariants, and what this point promises."""
    assert find_violations(snapshot, is_settled=True) == []
    assert deeds(snapshot, point) in point.allowed_finally
    assert sum(len(call.unknown_outcome_events) for call in tool_call_histories(snapshot)) == point.outcome_requests
    assert {row.status for row in snapshot.threads.values()} == {"done"}


def last(snapshot: SystemSnapshot) -> str | None:
    """The type of the last event, None when there is none."""
    return next((log[-1].type for log in snapshot.logs.values()), None)


def deeds(snapshot: SystemSnapshot, point: CrashCase) -> int:
    """How often what was wanted was done."""
    words = "pay" if point.task == "two messages" else TASKS[point.task][0]
    return sum(deed["tool"] == words for deed in snapshot.side_effects)


def test_each_of_the_18_crash_points_has_a_test() -> None:
    met = {point.number for point in (*CRASH_CASES, *LOST_COMMIT_CASES)}
    assert met | TESTS_BY_NUMBER.keys() == set(range(1, 19))


@pytest.mark.parametrize("story", TESTS_BY_NUMBER.values())
def test_separate_tests_of_crash_points_exist(story: str) -> None:
    file, _, test = story.partition(": ")
    assert f"def {test}(" in (Path(__file__).with_name(file)).read_text(encoding="utf-8")
