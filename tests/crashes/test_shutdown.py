"""SIGTERM while a tool runs, and a second one. `tests/bot/cli` covers a tool that never ends."""

import os
from pathlib import Path
from signal import SIGTERM

from tests.crashes.agent_under_test import gate_path
from tests.crashes.checker import find_violations
from tests.crashes.process_pool import wait_until
from tests.crashes.retrying_client import RetryingClient
from tests.crashes.scenario import CrashScenario, quick_on
from tests.crashes.simulated_users import ConcurrentUsers, requester_and_responder
from tests.crashes.tool_calls import tool_call_histories
from tests.harness.time_limits import promised_seconds

STOP_TIMEOUT_SECONDS = 10.0
"""Seconds within which a process must have stopped after SIGTERM."""


def is_tool_waiting(gate: Path) -> bool:
    """Return whether a tool waits at the gate: a pipe without a reader cannot be opened for writing."""
    try:
        os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def start_blocked_payment(scenario: CrashScenario) -> Path:
    """Start a bot and a call of `pay`, which waits at the returned gate."""
    gate = gate_path(scenario.folder)
    os.mkfifo(gate)
    scenario.start(blocked_tool="pay")
    alice, _ = requester_and_responder(scenario)
    alice.start_thread("pay 1")
    scenario.wait_for_events("ToolStarted")
    return gate


def is_rejecting_connections(scenario: CrashScenario) -> bool:
    port = scenario.port
    return port is None or RetryingClient(scenario, "bob")._request_once(port, "GET", "/v1/threads", None, None) is None


@quick_on("postgresql")
def test_sigterm_lets_a_tool_finish_and_rejects_new_requests(scenario: CrashScenario) -> None:
    gate = start_blocked_payment(scenario)
    scenario.send_signal(SIGTERM)
    wait_until(lambda: is_rejecting_connections(scenario), lambda: "the process still accepts connections")
    assert not scenario.has_exited_process
    gate.write_bytes(b"go on")
    assert [process.wait(promised_seconds(STOP_TIMEOUT_SECONDS)) for process in scenario.processes] == [0] * len(
        scenario.processes
    )
    stopped = scenario.take_snapshot()
    assert [call.outcomes for call in tool_call_histories(stopped)] == [["done"]]
    scenario.start()
    scenario.wait_until_idle()
    scenario.kill()
    snapshot = scenario.take_snapshot(stopped)
    assert len(snapshot.side_effects) == 1
    assert find_violations(snapshot, is_work_finished=True) == []


@quick_on("sqlite")
def test_second_sigterm_stops_at_once_and_asks_about_the_call(scenario: CrashScenario) -> None:
    start_blocked_payment(scenario)
    scenario.send_signal(SIGTERM)
    wait_until(lambda: is_rejecting_connections(scenario), lambda: "the process still accepts connections")
    scenario.send_signal(SIGTERM)
    assert 128 + SIGTERM in [process.wait(promised_seconds(STOP_TIMEOUT_SECONDS)) for process in scenario.processes]
    scenario.kill()
    check_outcome_question(scenario)


def check_outcome_question(scenario: CrashScenario) -> None:
    """Let Bob answer that the call did not run, and check that it then runs once."""
    before = scenario.take_snapshot()
    _, bob = requester_and_responder(scenario)
    scenario.start()
    with ConcurrentUsers(scenario, bob) as users:
        users.wait_until_idle()
    scenario.kill()
    snapshot = scenario.take_snapshot(before)
    assert [(len(call.unknown_outcome_events), call.retry_answers) for call in tool_call_histories(snapshot)] == [
        (1, 1)
    ]
    assert len(snapshot.side_effects) == 1
    assert find_violations(snapshot, is_work_finished=True) == []
