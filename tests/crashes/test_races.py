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


def test_of_two_decisions_and_an_expiry_one_wins(scenario: CrashScenario) -> None:
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
    scenario.start(ahead=EXPIRY_SECONDS - (datetime.now(UTC) - opened).total_seconds() - SOON * (1 + nth / 4))
    bob = Responder(RetryingClient(scenario, "bob"))
    carol = Responder(RetryingClient(scenario, "carol"), should_approve=lambda _request: False)
    together = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        for deciding in [pool.submit(decide, who, requests, together) for who in (bob, carol)]:
            deciding.result()
    scenario.wait_until_idle()
    scenario.kill()
    evidence = scenario.take_snapshot()
    assert find_violations(evidence, is_settled=True) == []
    return {evidence.requests[request["id"]].status for request in requests}


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
def test_killed_while_two_decide_one_of_them_wins_after_the_restart(place: str, scenario: CrashScenario) -> None:
    alice, bob = requester_and_responder(scenario)
    carol = Responder(RetryingClient(scenario, "carol"), should_approve=lambda _request: False)
    scenario.start(place)
    with ConcurrentUsers(scenario, bob, carol) as crew:
        for order in range(5):
            crew.start_task(partial(alice.start_thread, f"ship {order}"))
        scenario.wait_for_kill(place)
        scenario.start()
        crew.wait_until_idle()
    scenario.kill()
    evidence = scenario.take_snapshot()
    assert find_violations(evidence, is_settled=True) == []
    shipped = sum(row.status == "approved" for row in evidence.requests.values())
    assert len({deed["key"] for deed in evidence.side_effects}) == shipped


@pytest.mark.parametrize("place", ["before the commit of ThreadCancelled", "after the commit of ThreadCancelled"])
@pytest.mark.parametrize("words", ["ship", "pay", "ask"])
def test_killed_while_a_thread_is_cancelled_nothing_of_it_starts_again(
    words: str, place: str, scenario: CrashScenario
) -> None:
    alice, bob = requester_and_responder(scenario)
    os.mkfifo(gate_path(scenario.folder))  # whoever pays is in the middle of it until the process dies
    scenario.start(place, held="pay")
    with ConcurrentUsers(scenario) as crew:
        crew.start_task(lambda: alice.cancel(alice.start_thread(f"{words} 1")))
        scenario.wait_for_kill(place)
        before = scenario.take_snapshot()
        scenario.start()
        crew.add_responder(bob)  # only now: a thread that is over cannot be cancelled
        crew.wait_until_idle()
    scenario.kill()
    evidence = scenario.take_snapshot(before)
    assert find_violations(evidence, is_settled=True) == []
    if place.startswith("after"):
        assert {row.status for row in evidence.threads.values()} == {"cancelled"}
        assert len(list(evidence.of_type("ToolStarted"))) == len(list(before.of_type("ToolStarted")))
