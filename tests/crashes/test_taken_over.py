"""Several processes, one of which dies or stands still in the middle: the others finish everything, each deed once."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from signal import SIGSTOP, SIGTERM

import pytest

from tests.crashes.calls import calls_of
from tests.crashes.checker import violations
from tests.crashes.evidence import Evidence
from tests.crashes.nursery import until
from tests.crashes.people import Crew, crew_of, story_of
from tests.crashes.points import TOOLS
from tests.crashes.scene import QUICK, Scene, shared

ROUND_TRIPS = 200
PAGERS = 20
FOR_MANY = 280.0
"""Seconds that so many may take, on a machine that has much else to do; some ten on an idle one."""
WORKER = 1
"""One of the two: the roles are web, worker, worker and clock."""

pytestmark = [shared, pytest.mark.timeout(600)]


@contextmanager
def round_trips(scene: Scene, words: str) -> Iterator[Crew]:
    """Many at once: Alice wants as many things as there are round trips, and Bob approves each."""
    alice, bob = crew_of(scene)
    scene.opens()
    with Crew(scene, replace(bob, at_once=8)) as crew:
        for order in range(ROUND_TRIPS):
            crew.has(partial(replace(alice, pager=f"alice-{order % PAGERS}").asks, f"{words} {order}"))
        yield crew
        crew.comes_to_rest(FOR_MANY)


def in_the_middle(scene: Scene) -> None:
    """A third is done, and people go on answering."""
    deeds = scene.ledgers.deeds
    until(lambda: len(deeds.entries()) > ROUND_TRIPS // 3, lambda: f"too little: {scene.said}", FOR_MANY)
    assert len(deeds.entries()) < ROUND_TRIPS


def check_each_is_done(evidence: Evidence) -> None:
    assert violations(evidence, healed=True) == []
    assert len(evidence.threads) == ROUND_TRIPS
    assert {row.status for row in evidence.threads.values()} == {"done"}
    approvals = [row for row in evidence.requests.values() if row.status == "approved"]
    assert len(approvals) == ROUND_TRIPS


def test_a_worker_killed_in_the_middle_of_many_round_trips_leaves_every_tool_run_exactly_once(scene: Scene) -> None:
    """Of a call that was running nobody knows whether it ran, so Bob looks; nothing is started twice without him."""
    with round_trips(scene, "wire"):
        in_the_middle(scene)
        scene.loses(WORKER)
    scene.is_killed()
    evidence = scene.evidence()
    check_each_is_done(evidence)
    assert Counter(deed["order"] for deed in evidence.deeds) == {str(order): 1 for order in range(ROUND_TRIPS)}


def test_a_worker_that_stands_still_in_the_middle_and_is_woken_later_changes_nothing_any_more(scene: Scene) -> None:
    with round_trips(scene, "ship"):
        in_the_middle(scene)
        scene.processes[WORKER].gets(SIGSTOP)
    before = scene.evidence()
    check_each_is_done(before)
    evidence = woken(scene, before)
    assert {deed["key"] for deed in evidence.deeds} == {deed["key"] for deed in before.deeds}
    assert len({deed["key"] for deed in evidence.deeds}) == ROUND_TRIPS


def woken(scene: Scene, before: Evidence) -> Evidence:
    """What there is once whoever stood still has gone on, done all it had in its hands, and stopped when asked to."""
    scene.wakes()
    scene.is_asked_to_stop(SIGTERM)
    assert [process.ends() for process in scene.processes] == [0] * len(scene.processes)
    evidence = scene.evidence(before)
    assert violations(evidence, healed=True) == []
    assert evidence.logs == before.logs
    return evidence


def stood_still(scene: Scene, place: str, errand: str) -> Evidence:
    """What there is when one process stood still at a place, the others finished, and it was woken."""
    alice, bob = crew_of(scene)
    scene.stale = QUICK
    scene.opens(place, 1, "--stands")
    with Crew(scene, bob) as crew:
        crew.has(story_of(errand, alice))
        until(lambda: scene.met(place), lambda: f"nobody stood still {place!r}: {scene.said}")
        crew.comes_to_rest()
    before = scene.evidence()
    assert violations(before, healed=True) == []
    assert {row.status for row in before.threads.values()} == {"done"}
    return woken(scene, before)


@pytest.mark.parametrize(
    ("place", "effect", "doubts"),
    [
        ("model answered", "once", 0),
        ("RunTool taken up", "once", 0),
        ("after the commit of ToolStarted", "once", 1),
        ("before the commit of ToolSucceeded", "verifiable", 0),
        ("correction offered", "idempotent", 0),
    ],
)
def test_whoever_stands_still_at_this_point_starts_and_writes_nothing_once_others_have_gone_on(
    place: str, effect: str, doubts: int, scene: Scene
) -> None:
    evidence = stood_still(scene, place, effect)
    assert [deed["tool"] for deed in evidence.deeds] == [TOOLS[effect]]
    assert sum(len(call.doubts) for call in calls_of(evidence)) == doubts


def test_of_two_clocks_that_fire_one_timer_one_wins(scene: Scene) -> None:
    """The first is about to commit when it stands still; the second fires; the first wakes and finds it fired."""
    evidence = stood_still(scene, "before the commit of TimerFired", "waiting")
    assert len(list(evidence.of_type("TimerFired"))) == 1


@pytest.mark.parametrize(("effect", "deeds", "doubts"), [("idempotent", 2, 0), ("verifiable", 1, 0), ("once", 1, 1)])
def test_a_worker_killed_after_its_deed_leaves_it_to_another_one_that_lives(
    effect: str, deeds: int, doubts: int, scene: Scene
) -> None:
    alice, bob = crew_of(scene)
    place = f"{TOOLS[effect]} done"
    scene.stale = QUICK
    scene.opens(place)
    with Crew(scene, bob) as crew:
        crew.has(story_of(effect, alice))
        until(lambda: scene.dead, lambda: f"nobody died {place!r}: {scene.said}")
        crew.comes_to_rest()
    assert sum(process.was_killed for process in scene.processes) == 1
    scene.is_killed()
    evidence = scene.evidence()
    assert violations(evidence, healed=True) == []
    assert len(evidence.deeds) == deeds
    assert sum(len(call.doubts) for call in calls_of(evidence)) == doubts
