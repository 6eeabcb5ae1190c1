"""Two people decide one request while its time runs out: one of the three wins, and the others are told so."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from tests.crashes.checker import violations
from tests.crashes.client import Client
from tests.crashes.people import Answerer, Crew, crew_of
from tests.crashes.scene import Scene
from tests.crashes.world import HALF_AN_HOUR, gate_of

REQUESTS = 12
MOST_ROUNDS = 20
SOON = 0.25
"""Seconds from the start of a process to the first expiry: the others follow while people are still deciding.

On a machine that is slow to start, all of them run out before; so each round waits a little longer.
"""


def test_of_two_decisions_and_an_expiry_one_wins(scene: Scene) -> None:
    endings: set[str] = set()
    for nth in range(MOST_ROUNDS):
        endings |= race(scene, nth)
        if endings == {"approved", "denied", "expired"}:
            break
    assert endings == {"approved", "denied", "expired"}


def race(scene: Scene, nth: int) -> set[str]:
    """Let both decide all requests while they run out; how each ended."""
    requests = open_requests(scene, nth)
    opened = datetime.fromisoformat(requests[-1]["opened_at"])
    scene.is_killed()
    scene.opens(ahead=HALF_AN_HOUR - (datetime.now(UTC) - opened).total_seconds() - SOON * (1 + nth / 4))
    bob = Answerer(Client(scene, "bob"))
    carol = Answerer(Client(scene, "carol"), approves=lambda _request: False)
    together = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        for deciding in [pool.submit(decide, who, requests, together) for who in (bob, carol)]:
            deciding.result()
    scene.comes_to_rest()
    scene.is_killed()
    evidence = scene.evidence()
    assert violations(evidence, healed=True) == []
    return {evidence.requests[request["id"]].status for request in requests}


def open_requests(scene: Scene, nth: int) -> list[Any]:
    alice, bob = crew_of(scene, f"{nth}")
    scene.opens()
    for order in range(REQUESTS):
        alice.asks(f"ship {nth}-{order}")
    scene.sees("RequestShown", times=REQUESTS * (nth + 1))
    requests: list[Any] = bob.client.get("/v1/requests?status=open&limit=100")["requests"]
    assert len(requests) == REQUESTS
    return requests


def decide(who: Answerer, requests: list[Any], together: threading.Barrier) -> None:
    """Each request at the same moment as the other one."""
    for request in requests:
        together.wait(10)
        who.answers(request)


@pytest.mark.parametrize("place", ["before the commit of RequestAnswered", "after the commit of RequestAnswered"])
def test_killed_while_two_decide_one_of_them_wins_after_the_restart(place: str, scene: Scene) -> None:
    alice, bob = crew_of(scene)
    carol = Answerer(Client(scene, "carol"), approves=lambda _request: False)
    scene.opens(place)
    with Crew(scene, bob, carol) as crew:
        for order in range(5):
            crew.has(partial(alice.asks, f"ship {order}"))
        scene.dies(place)
        scene.opens()
        crew.comes_to_rest()
    scene.is_killed()
    evidence = scene.evidence()
    assert violations(evidence, healed=True) == []
    shipped = sum(row.status == "approved" for row in evidence.requests.values())
    assert len({deed["key"] for deed in evidence.deeds}) == shipped


@pytest.mark.parametrize("place", ["before the commit of ThreadCancelled", "after the commit of ThreadCancelled"])
@pytest.mark.parametrize("words", ["ship", "pay", "ask"])
def test_killed_while_a_thread_is_cancelled_nothing_of_it_starts_again(words: str, place: str, scene: Scene) -> None:
    alice, bob = crew_of(scene)
    os.mkfifo(gate_of(scene.folder))  # whoever pays is in the middle of it until the process dies
    scene.opens(place, held="pay")
    with Crew(scene) as crew:
        crew.has(lambda: alice.cancels(alice.asks(f"{words} 1")))
        scene.dies(place)
        before = scene.evidence()
        scene.opens()
        crew.joined_by(bob)  # only now: a thread that is over cannot be cancelled
        crew.comes_to_rest()
    scene.is_killed()
    evidence = scene.evidence(before)
    assert violations(evidence, healed=True) == []
    if place.startswith("after"):
        assert {row.status for row in evidence.threads.values()} == {"cancelled"}
        assert len(list(evidence.of_type("ToolStarted"))) == len(list(before.of_type("ToolStarted")))
