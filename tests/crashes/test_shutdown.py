"""SIGTERM in the middle of a deed, and a second signal that insists. tests/bot/cli has the deed that never ends."""

import os
from pathlib import Path
from signal import SIGTERM

from tests.crashes.agent_under_test import gate_path
from tests.crashes.checker import find_violations
from tests.crashes.process_pool import wait_until
from tests.crashes.retrying_client import RetryingClient
from tests.crashes.scenario import CrashScenario
from tests.crashes.simulated_users import ConcurrentUsers, requester_and_responder
from tests.crashes.tool_calls import tool_call_histories

PROMISED = 10.0
"""Seconds within which a process that was asked to stop has stopped."""


def somebody_waits_at(gate: Path) -> bool:
    """Whether a tool is in the middle of its work; a pipe that nobody reads cannot be opened."""
    try:
        os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def in_the_middle_of_paying(scenario: CrashScenario) -> Path:
    """Alice has asked; the tool is at work until somebody writes into the gate."""
    gate = gate_path(scenario.folder)
    os.mkfifo(gate)
    scenario.start(blocked_tool="pay")
    alice, _ = requester_and_responder(scenario)
    alice.start_thread("pay 1")
    scenario.wait_for_events("ToolStarted")
    return gate


def nobody_lets_in(scenario: CrashScenario) -> bool:
    port = scenario.port
    return port is None or RetryingClient(scenario, "bob")._request_once(port, "GET", "/v1/threads", None, None) is None


def test_sigterm_lets_a_tool_finish_and_rejects_new_requests(scenario: CrashScenario) -> None:
    gate = in_the_middle_of_paying(scenario)
    scenario.send_signal(SIGTERM)
    wait_until(lambda: nobody_lets_in(scenario), lambda: "it still lets people in")
    assert not scenario.has_exited_process
    gate.write_bytes(b"go on")
    assert [process.wait(PROMISED) for process in scenario.processes] == [0] * len(scenario.processes)
    ended = scenario.take_snapshot()
    assert [call.outcomes for call in tool_call_histories(ended)] == [["done"]]
    scenario.start()
    scenario.wait_until_idle()
    scenario.kill()
    snapshot = scenario.take_snapshot(ended)
    assert len(snapshot.side_effects) == 1
    assert find_violations(snapshot, is_settled=True) == []


def test_second_sigterm_stops_at_once_and_asks_about_the_call(scenario: CrashScenario) -> None:
    in_the_middle_of_paying(scenario)
    scenario.send_signal(SIGTERM)
    wait_until(lambda: nobody_lets_in(scenario), lambda: "it still lets people in")
    scenario.send_signal(SIGTERM)
    assert 128 + SIGTERM in [process.wait(PROMISED) for process in scenario.processes]
    scenario.kill()
    check_somebody_is_asked(scenario)


def check_somebody_is_asked(scenario: CrashScenario) -> None:
    """Bob finds that it did not happen, so it is done again: once."""
    before = scenario.take_snapshot()
    _, bob = requester_and_responder(scenario)
    scenario.start()
    with ConcurrentUsers(scenario, bob) as users:
        users.wait_until_idle()
    scenario.kill()
    snapshot = scenario.take_snapshot(before)
    assert [(len(call.unknown_outcome_events), call.retry_orders) for call in tool_call_histories(snapshot)] == [(1, 1)]
    assert len(snapshot.side_effects) == 1
    assert find_violations(snapshot, is_settled=True) == []
