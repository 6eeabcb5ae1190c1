"""Two people decide one request while its time runs out: one of the three wins, and the others are told so."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from tests.crashes.agent_under_test import EXPIRY_SECONDS, gate_path
from tests.crashes.checker import find_violations
from tests.crashes.retrying_client import RetryingClient
from tests.crashes.scenario import CrashScenario
from tests.crashes.simulated_users import ConcurrentUsers, Responder, requester_and_responder

REQUESTS = 12
MOST_ROUNDS = 20
SOON = 0.25
"""Seconds from the start of a process to the first expiry: the others follow while people are still deciding.

On a machine that is slow to start, all of them run out before; so each round waits a little longer.
"""


def test_one_of_two_decisions_and_an_expiry_wins(scenario: CrashScenario) -> None:
    endings: set[str] = set()
    for nth in range(MOST_ROUNDS):
        endings |= race(scenario, nth)
        if endings == {"approved", "denied", "expired"}:
            break
    assert endings == {"approved", "denied", "expired"}


def race(scenario: CrashScenario, nth: int) -> set[str]:
    """Let both decide all requests while they run out; how each ended."""
    requests = open_requests(scenario, nth)
    opened = datetime.fromisoformat(requests[-1]["opened_at"])
    scenario.kill()
    scenario.start(clock_offset=EXPIRY_SECONDS - (datetime.now(UTC) - opened).total_seconds() - SOON * (1 + nth / 4))
    bob = Responder(RetryingClient(scenario, "bob"))
    carol = Responder(RetryingClient(scenario, "carol"), should_approve=lambda _request: False)
    together = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        for deciding in [pool.submit(decide, who, requests, together) for who in (bob, carol)]:
            deciding.result()
    scenario.wait_until_idle()
    scenario.kill()
    snapshot = scenario.take_snapshot()
    assert find_violations(snapshot, is_settled=True) == []
    return {snapshot.requests[request["id"]].status for request in requests}


def open_requests(scenario: CrashScenario, nth: int) -> list[Any]:
    alice, bob = requester_and_responder(scenario, f"{nth}")
    scenario.start()
    for order in range(REQUESTS):
        alice.start_thread(f"ship {nth}-{order}")
    scenario.wait_for_events("RequestShown", times=REQUESTS * (nth + 1))
    requests: list[Any] = bob.client.get("/v1/requests?status=open&limit=100")["requests"]
    assert len(requests) == REQUESTS
    return requests


def decide(who: Responder, requests: list[Any], together: threading.Barrier) -> None:
    """Each request at the same moment as the other one."""
    for request in requests:
        together.wait(10)
        who.answer_request(request)


@pytest.mark.parametrize("place", ["before the commit of RequestAnswered", "after the commit of RequestAnswered"])
def test_one_decision_wins_after_kill_and_restart(place: str, scenario: CrashScenario) -> None:
    alice, bob = requester_and_responder(scenario)
    carol = Responder(RetryingClient(scenario, "carol"), should_approve=lambda _request: False)
    scenario.start(place)
    with ConcurrentUsers(scenario, bob, carol) as users:
        for order in range(5):
            users.start_task(partial(alice.start_thread, f"ship {order}"))
        scenario.wait_for_kill(place)
        scenario.start()
        users.wait_until_idle()
    scenario.kill()
    snapshot = scenario.take_snapshot()
    assert find_violations(snapshot, is_settled=True) == []
    shipped = sum(row.status == "approved" for row in snapshot.requests.values())
    assert len({deed["key"] for deed in snapshot.side_effects}) == shipped


@pytest.mark.parametrize("place", ["before the commit of ThreadCancelled", "after the commit of ThreadCancelled"])
@pytest.mark.parametrize("words", ["ship", "pay", "ask"])
def test_cancelled_thread_starts_nothing_after_kill(words: str, place: str, scenario: CrashScenario) -> None:
    alice, bob = requester_and_responder(scenario)
    os.mkfifo(gate_path(scenario.folder))  # whoever pays is in the middle of it until the process dies
    scenario.start(place, blocked_tool="pay")
    with ConcurrentUsers(scenario) as users:
        users.start_task(lambda: alice.cancel(alice.start_thread(f"{words} 1")))
        scenario.wait_for_kill(place)
        before = scenario.take_snapshot()
        scenario.start()
        users.add_responder(bob)  # only now: a thread that is over cannot be cancelled
        users.wait_until_idle()
    scenario.kill()
    snapshot = scenario.take_snapshot(before)
    assert find_violations(snapshot, is_settled=True) == []
    if place.startswith("after"):
        assert {row.status for row in snapshot.threads.values()} == {"cancelled"}
        assert len(list(snapshot.of_type("ToolStarted"))) == len(list(before.of_type("ToolStarted")))
