"""kill -9 at every named point between two writes: nothing is lost, nothing is repeated that must not be."""

from pathlib import Path

import pytest

from tests.crashes.calls import calls_of
from tests.crashes.checker import violations
from tests.crashes.evidence import Evidence
from tests.crashes.nursery import until
from tests.crashes.people import ERRANDS, Crew, crew_of, story_of
from tests.crashes.points import ANY, JOB_POINTS, LOST_WORDS, POINTS, STORIES, LostWord, Point
from tests.crashes.scene import Scene, named


def expected_last(point: Point) -> tuple[str | None, ...]:
    """Return the types the last event may have: people answer an open request also before its card is shown."""
    is_open = point.last in ("RequestOpened", "RequestShown")
    return (point.last, "RequestAnswered") if is_open else (point.last,)


@pytest.mark.parametrize("point", POINTS, ids=[point.name for point in POINTS])
def test_killed_at_this_point_it_goes_on_as_promised(point: Point, scene: Scene) -> None:
    alice, bob = crew_of(scene)
    scene.opens(point.first or point.place, 1 if point.first else point.nth)
    with Crew(scene, bob) as crew:
        crew.has(story_of(point.errand, alice))
        if point.first:
            scene.dies(point.first)
            scene.opens(point.place, point.nth)
        scene.dies(point.place, point.nth)
        before = scene.evidence()
        scene.opens()
        crew.comes_to_rest()
    scene.is_killed()
    assert violations(before, healed=False) == []
    assert last(before) in expected_last(point) or point.last == ANY
    assert deeds(before, point) in point.by_then
    check_healed(scene.evidence(before), point)


@pytest.mark.parametrize("scene", [("postgresql", "one process")], ids=named, indirect=True)
@pytest.mark.parametrize("point", JOB_POINTS, ids=[point.name for point in JOB_POINTS])
def test_killed_with_a_job_in_its_hands_the_job_is_done_again_or_found_done(point: Point, scene: Scene) -> None:
    test_killed_at_this_point_it_goes_on_as_promised(point, scene)


@pytest.mark.parametrize("point", LOST_WORDS, ids=[point.name for point in LOST_WORDS])
def test_a_commit_whose_word_is_lost_is_neither_forgotten_nor_repeated(point: LostWord, scene: Scene) -> None:
    alice, bob = crew_of(scene)
    scene.opens(point.place)
    with Crew(scene, bob) as crew:
        crew.has(story_of(point.errand, alice))
        until(lambda: scene.met(point.place), lambda: f"no word was lost: {scene.said}")
        if point.restarts and not scene.shared:
            scene.is_killed()
            scene.opens()
        crew.comes_to_rest()
    assert scene.dead is False
    scene.is_killed()
    check_healed(scene.evidence(), point)


def check_healed(evidence: Evidence, point: Point) -> None:
    """All invariants, and what this point promises."""
    assert violations(evidence, healed=True) == []
    assert deeds(evidence, point) in point.in_the_end
    assert sum(len(call.doubts) for call in calls_of(evidence)) == point.doubts
    assert {row.status for row in evidence.threads.values()} == {"done"}


def last(evidence: Evidence) -> str | None:
    """The type of the last event, None when there is none."""
    return next((log[-1].type for log in evidence.logs.values()), None)


def deeds(evidence: Evidence, point: Point) -> int:
    """How often what was wanted was done."""
    words = "pay" if point.errand == "talking" else ERRANDS[point.errand][0]
    return sum(deed["tool"] == words for deed in evidence.deeds)


def test_each_of_the_eighteen_points_is_met_somewhere() -> None:
    met = {point.number for point in (*POINTS, *LOST_WORDS)}
    assert met | STORIES.keys() == set(range(1, 19))


@pytest.mark.parametrize("story", STORIES.values())
def test_a_point_with_a_story_of_its_own_has_that_story(story: str) -> None:
    file, _, test = story.partition(": ")
    assert f"def {test}(" in (Path(__file__).with_name(file)).read_text(encoding="utf-8")
