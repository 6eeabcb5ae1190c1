"""Nobody lives while a deadline passes: it is told of once, late, and nothing happens in a burst."""

from tests.crashes.checker import violations
from tests.crashes.client import Client
from tests.crashes.evidence import Evidence
from tests.crashes.people import SETTLED, crew_of
from tests.crashes.scene import Scene
from tests.crashes.world import HALF_AN_HOUR

HOUR = 3600.0


def types(evidence: Evidence) -> list[str]:
    return [event.type for event in evidence.events]


def wakes_late_twice(scene: Scene, ahead: float) -> Evidence:
    """Start hours later, and hours later again."""
    scene.is_killed()
    before = scene.evidence()
    for hours in (ahead, 2 * ahead):
        scene.opens(ahead=hours)
        scene.comes_to_rest()
        scene.is_killed()
    return scene.evidence(before)


def test_an_approval_that_ran_out_while_nobody_lived_expires_once_and_nothing_ships(scene: Scene) -> None:
    alice, _ = crew_of(scene)
    scene.opens()
    alice.asks("ship 1")
    scene.sees("RequestShown")
    evidence = wakes_late_twice(scene, HALF_AN_HOUR + 5.0)
    assert types(evidence).count("RequestExpired") == 1
    assert evidence.deeds == []
    assert violations(evidence, healed=True) == []


def test_whoever_approves_after_the_deadline_is_told_so_though_no_clock_has_reported_it(scene: Scene) -> None:
    alice, bob = crew_of(scene)
    scene.opens()
    alice.asks("ship 1")
    scene.sees("RequestShown")
    [request] = bob.client.get("/v1/requests?status=open")["requests"]
    scene.is_killed()
    scene.opens("", 1, "--no-clock", ahead=HALF_AN_HOUR + 5.0)
    assert bob.answers(request).status == SETTLED
    assert "RequestAnswered" not in types(scene.evidence())
    evidence = wakes_late_twice(scene, HALF_AN_HOUR + 5.0)
    assert types(evidence).count("RequestExpired") == 1
    assert evidence.deeds == []
    assert violations(evidence, healed=True) == []


def test_a_wait_that_ended_while_nobody_lived_goes_on_once(scene: Scene) -> None:
    alice, _ = crew_of(scene)
    scene.opens()
    alice.asks("wait 3600 for 1")
    scene.sees("TimerSet")
    evidence = wakes_late_twice(scene, 3 * HOUR)
    assert types(evidence).count("TimerFired") == 1
    assert types(evidence).count("ReplyChosen") == 1
    assert violations(evidence, healed=True) == []


def test_weeks_late_every_waiting_thread_still_wakes_once(scene: Scene) -> None:
    """Within thirty days, twice: then the names of what came in are forgotten, and the checker would miss them."""
    alice, _ = crew_of(scene)
    scene.opens()
    for order in range(10):
        alice.asks(f"wait 3600 for {order}")
    scene.sees("TimerSet", times=10)
    evidence = wakes_late_twice(scene, 340 * HOUR)
    assert types(evidence).count("TimerFired") == 10
    assert violations(evidence, healed=True) == []


def test_a_deadline_that_has_not_come_is_left_alone_by_a_new_process(scene: Scene) -> None:
    alice, _ = crew_of(scene)
    scene.opens()
    thread = alice.asks("wait 3600 for 1")
    scene.sees("TimerSet")
    scene.is_killed()
    scene.opens(ahead=0.9 * HOUR)
    assert Client(scene, "alice").get(f"/v1/threads/{thread}")["status"] == "waiting_for_time"
    scene.is_killed()
    assert "TimerFired" not in types(scene.evidence())
    assert violations(scene.evidence(), healed=False) == []
