"""A backup is restored while the outside has moved on: calls that were running at the backup are recovered.

Messages accepted after the backup are lost in any case, so no test covers them.
"""

import os

import pytest

from tests.crashes.agent_under_test import gate_path
from tests.crashes.checker import find_violations
from tests.crashes.crash_cases import TOOL_BY_EFFECT_CLASS
from tests.crashes.database_admin import database_admin
from tests.crashes.scenario import CrashScenario, quick_on
from tests.crashes.simulated_users import ConcurrentUsers, requester_and_responder, task_function
from tests.crashes.tool_calls import tool_call_histories
from tests.slow_cases import slow


@pytest.mark.parametrize(
    ("effect_class", "runs", "outcome_requests"),
    [
        pytest.param("read", 2, 0, marks=slow),
        pytest.param("idempotent", 2, 0, marks=slow),
        pytest.param("verifiable", 1, 0, marks=slow),
        ("once", 1, 1),
    ],
)
@quick_on("postgresql")
def test_restored_backup_repeats_no_unrepeatable_call(
    effect_class: str, runs: int, outcome_requests: int, scenario: CrashScenario
) -> None:
    alice, bob = requester_and_responder(scenario)
    gate = gate_path(scenario.folder)
    os.mkfifo(gate)
    scenario.start(blocked_tool=TOOL_BY_EFFECT_CLASS[effect_class])
    with ConcurrentUsers(scenario, bob) as users:
        users.start_task(task_function(effect_class, alice))
        scenario.wait_for_events("ToolStarted")
        backup = database_admin(scenario.url).copy(scenario.url, "backup")
        gate.write_bytes(b"go on")
        users.wait_until_idle()
    scenario.kill()
    assert [entry["tool"] for entry in scenario.take_snapshot().side_effects] == [TOOL_BY_EFFECT_CLASS[effect_class]]

    scenario.url = backup
    assert [call.outcomes for call in tool_call_histories(scenario.take_snapshot())] == [[]]
    _, bob = requester_and_responder(scenario)
    scenario.start()
    with ConcurrentUsers(scenario, bob) as users:
        users.wait_until_idle()
    scenario.kill()
    snapshot = scenario.take_snapshot()
    assert find_violations(snapshot, is_work_finished=True) == []
    assert len(snapshot.side_effects) == runs
    assert [len(call.unknown_outcome_events) for call in tool_call_histories(snapshot)] == [outcome_requests]


@quick_on("sqlite")
def test_requests_before_the_backup_can_be_sent_again(scenario: CrashScenario) -> None:
    alice, _ = requester_and_responder(scenario)
    scenario.start()
    thread = alice.start_thread("look 1")
    scenario.wait_until_idle()
    backup = database_admin(scenario.url).copy(scenario.url, "backup")
    scenario.kill()
    scenario.url = backup
    scenario.start()
    alice, _ = requester_and_responder(scenario)
    assert alice.start_thread("look 1") == thread
    scenario.kill()
    assert len(scenario.take_snapshot().threads) == 1
    assert [answer["is_replayed"] for answer in scenario.take_snapshot().http_responses] == [False, True]
    assert find_violations(scenario.take_snapshot(), is_work_finished=True) == []
