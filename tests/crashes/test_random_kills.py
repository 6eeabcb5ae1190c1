"""kill -9 at random moments while people keep working. It may hit any process; the others live on.

`pytest --kills N` for more of them, `--kill-seed S` to see the same moments again.
"""

import random
import time
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest

from tests.crashes.calls import calls_of
from tests.crashes.checker import violations
from tests.crashes.client import Client
from tests.crashes.evidence import Evidence
from tests.crashes.people import Answerer, Crew, Requester, any_errand
from tests.crashes.points import POINTS
from tests.crashes.scene import ALONE, QUICK, SHARED, Scene, named

pytestmark = pytest.mark.timeout(600)

SEASON = 50
"""Kills in one scene: then all comes to rest, and everything is looked at."""
LOOKED_AT_EVERY = 10
LONGEST_LIFE = 0.35
"""Seconds a process is left to work, or as many as its start took: a slow machine works slowly too.

One in five is given them from its very start, so that some die while starting.
"""
WHERE = [ALONE[0], *SHARED]
"""On SQLite, and several processes on PostgreSQL."""
PLACES = sorted({point.place for point in POINTS})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for every season; each setting has its share of the kills."""
    if "kills" in metafunc.fixturenames:
        total = -(-metafunc.config.getoption("kills") // len(WHERE))
        seasons = [min(SEASON, total - done) for done in range(0, total, SEASON)]
        metafunc.parametrize(("season", "kills"), list(enumerate(seasons)))


@pytest.mark.parametrize("scene", WHERE, ids=named, indirect=True)
def test_killed_at_random_moments_it_loses_nothing_and_repeats_nothing(
    season: int, kills: int, kill_seed: int, scene: Scene
) -> None:
    print(f"to see this again: pytest --kill-seed {kill_seed}")  # noqa: T201 - shown when it fails
    chance = random.Random(f"{kill_seed} {season}")
    before: Evidence | None = None
    scene.stale = QUICK
    with Crew(scene, bob(scene, chance), carol(scene)) as crew:
        for nth in range(4):
            crew.has(partial(keeps_asking, Requester(Client(scene, "alice"), f"-{nth}"), chance.random(), crew.enough))
        scene.begins()
        for nth in range(kills):
            which = chance.randrange(len(scene.roles))
            lives_a_while(scene, which, chance)
            scene.loses(which)
            if nth % LOOKED_AT_EVERY == 0:
                before = checked(scene, before)
            scene.replaces(which, *any_fate(chance))
        scene.is_killed()
        scene.opens()
        crew.comes_to_rest()
    scene.is_killed()
    evidence = scene.evidence(before)
    assert violations(evidence, healed=True) == []
    assert len(calls_of(evidence)) > kills // 10


def lives_a_while(scene: Scene, which: int, chance: random.Random) -> None:
    """How long a start takes is up to the machine, so the time to work is counted from its end."""
    process, began = scene.processes[which], time.monotonic()
    if chance.random() < 0.8:
        process.is_ready()
    process.ended.wait(chance.uniform(0.0, max(LONGEST_LIFE, time.monotonic() - began)))


def any_fate(chance: random.Random) -> tuple[str, int]:
    """The place where the next life is to end, if it gets there in time; mostly none, so that it ends anywhere."""
    return (chance.choice(PLACES) if chance.random() < 0.4 else "", chance.randint(1, 3))


def checked(scene: Scene, before: Evidence | None) -> Evidence:
    """What can be seen now, before anybody takes the place of the one that was killed."""
    evidence = scene.evidence(before)
    assert violations(evidence, healed=False) == []
    return evidence


def keeps_asking(alice: Requester, seed: float, enough: Callable[[], bool]) -> None:
    """One errand after another, each named once; now and then more is said while it is under way."""
    chance = random.Random(seed)
    for order in count():
        words, agent = any_errand(chance)
        thread = alice.asks(f"{words} {alice.series}{order}", agent)
        if chance.random() < 0.2:
            alice.adds(thread, f"{any_errand(chance)[0]} {alice.series}{order}b")
        if chance.random() < 0.1:
            alice.cancels(thread)
        if chance.random() < 0.8:
            alice.waits_for(thread)
        if enough():
            return


def bob(scene: Scene, chance: random.Random) -> Answerer:
    """He approves most of what he is asked."""
    mood = random.Random(chance.random())
    return Answerer(Client(scene, "bob"), approves=lambda _request: mood.random() < 0.8)


def carol(scene: Scene) -> Answerer:
    """She approves everything, as fast as he can."""
    return Answerer(Client(scene, "carol"))
