"""Two people decide a request while it expires: one of the three wins, and the others get a conflict."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from tests.crashes.agent_under_test import APPROVAL_EXPIRY_SECONDS, gate_path
from tests.crashes.checker import find_violations
from tests.crashes.retrying_client import RetryingClient
from tests.crashes.scenario import CrashScenario, quick_on
from tests.crashes.simulated_users import ConcurrentUsers, Responder, requester_and_responder
from tests.slow_cases import slow_after_first

REQUEST_COUNT = 12
MAX_ROUNDS = 20
FIRST_EXPIRY_SECONDS = 0.25
"""Seconds from the start of a process to the first expiry, so that some requests expire while people decide.

A slow machine may start after all of them have expired, so each round waits a little longer.
"""


def test_one_of_two_decisions_and_an_expiry_wins(scenario: CrashScenario) -> None:
    statuses: set[str] = set()
    for round_number in range(MAX_ROUNDS):
        statuses |= race(scenario, round_number)
        if statuses == {"approved", "denied", "expired"}:
            break
    assert statuses == {"approved", "denied", "expired"}


def race(scenario: CrashScenario, round_number: int) -> set[str]:
    """Let both people decide all requests while they expire. Returns the final statuses."""
    requests = open_requests(scenario, round_number)
    opened_at = datetime.fromisoformat(requests[-1]["opened_at"])
    scenario.kill()
    scenario.start(
        clock_offset_seconds=APPROVAL_EXPIRY_SECONDS
        - (datetime.now(UTC) - opened_at).total_seconds()
        - FIRST_EXPIRY_SECONDS * (1 + round_number / 4)
    )
    bob = Responder(RetryingClient(scenario, "bob"))
    carol = Responder(RetryingClient(scenario, "carol"), should_approve=lambda _request: False)
    barrier = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        for decision in [pool.submit(decide, responder, requests, barrier) for responder in (bob, carol)]:
            decision.result()
    scenario.wait_until_idle()
    scenario.kill()
    snapshot = scenario.take_snapshot()
    assert find_violations(snapshot, is_work_finished=True) == []
    return {snapshot.requests[request["id"]].status for request in requests}


def open_requests(scenario: CrashScenario, round_number: int) -> list[Any]:
    alice, bob = requester_and_responder(scenario, f"{round_number}")
    scenario.start()
    for order in range(REQUEST_COUNT):
        alice.start_thread(f"ship {round_number}-{order}")
    scenario.wait_for_events("RequestShown", times=REQUEST_COUNT * (round_number + 1))
    requests: list[Any] = bob.client.get("/v1/requests?status=open&limit=100")["requests"]
    assert len(requests) == REQUEST_COUNT
    return requests


def decide(responder: Responder, requests: list[Any], barrier: threading.Barrier) -> None:
    """Answer each request at the same moment as the other person."""
    for request in requests:
        barrier.wait(90)
        responder.answer_request(request)


@pytest.mark.parametrize(
    "kill_point", slow_after_first(["after the commit of RequestAnswered", "before the commit of RequestAnswered"])
)
@quick_on("sqlite")
def test_one_decision_wins_after_kill_and_restart(kill_point: str, scenario: CrashScenario) -> None:
    alice, bob = requester_and_responder(scenario)
    carol = Responder(RetryingClient(scenario, "carol"), should_approve=lambda _request: False)
    scenario.start(kill_point)
    with ConcurrentUsers(scenario, bob, carol) as users:
        for order in range(5):
            users.start_task(partial(alice.start_thread, f"ship {order}"))
        scenario.wait_for_kill(kill_point)
        scenario.start()
        users.wait_until_idle()
    scenario.kill()
    snapshot = scenario.take_snapshot()
    assert find_violations(snapshot, is_work_finished=True) == []
    approved_count = sum(row.status == "approved" for row in snapshot.requests.values())
    assert len({entry["key"] for entry in snapshot.side_effects}) == approved_count


@pytest.mark.parametrize(
    "kill_point", slow_after_first(["after the commit of ThreadCancelled", "before the commit of ThreadCancelled"])
)
@pytest.mark.parametrize("command", slow_after_first(["pay", "ship", "ask"]))
@quick_on("postgresql")
def test_cancelled_thread_starts_nothing_after_kill(command: str, kill_point: str, scenario: CrashScenario) -> None:
    alice, bob = requester_and_responder(scenario)
    os.mkfifo(gate_path(scenario.folder))  # `pay` blocks at the gate until its process is killed
    scenario.start(kill_point, blocked_tool="pay")
    with ConcurrentUsers(scenario) as users:
        users.start_task(lambda: alice.cancel(alice.start_thread(f"{command} 1")))
        scenario.wait_for_kill(kill_point)
        before = scenario.take_snapshot()
        scenario.start()
        users.add_responder(bob)  # only now: a thread that has ended cannot be cancelled
        users.wait_until_idle()
    scenario.kill()
    snapshot = scenario.take_snapshot(before)
    assert find_violations(snapshot, is_work_finished=True) == []
    if kill_point.startswith("after"):
        assert {row.status for row in snapshot.threads.values()} == {"cancelled"}
        assert len(list(snapshot.events_of_type("ToolStarted"))) == len(list(before.events_of_type("ToolStarted")))
