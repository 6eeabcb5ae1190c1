"""A backup is put back while the outside has gone on: what was under way when it was taken is looked into.

What was accepted after the backup was taken is gone, whatever the bot does; so that is no part of these stories.
"""

import os

import pytest

from tests.crashes.calls import calls_of
from tests.crashes.checker import violations
from tests.crashes.keepers import keeper
from tests.crashes.people import Crew, crew_of, story_of
from tests.crashes.points import TOOLS
from tests.crashes.scene import Scene
from tests.crashes.world import gate_of


@pytest.mark.parametrize(
    ("effect", "deeds", "doubts"), [("read", 2, 0), ("idempotent", 2, 0), ("verifiable", 1, 0), ("once", 1, 1)]
)
def test_a_backup_with_calls_in_flight_repeats_nothing_that_must_not_be_repeated(
    effect: str, deeds: int, doubts: int, scene: Scene
) -> None:
    alice, bob = crew_of(scene)
    gate = gate_of(scene.folder)
    os.mkfifo(gate)
    scene.opens(held=TOOLS[effect])
    with Crew(scene, bob) as crew:
        crew.has(story_of(effect, alice))
        scene.sees("ToolStarted")
        backup = keeper(scene.url).copy(scene.url, "backup")
        gate.write_bytes(b"go on")
        crew.comes_to_rest()
    scene.is_killed()
    assert [deed["tool"] for deed in scene.evidence().deeds] == [TOOLS[effect]]

    scene.url = backup
    assert [call.endings for call in calls_of(scene.evidence())] == [[]]
    _, bob = crew_of(scene)
    scene.opens()
    with Crew(scene, bob) as crew:
        crew.comes_to_rest()
    scene.is_killed()
    evidence = scene.evidence()
    assert violations(evidence, healed=True) == []
    assert len(evidence.deeds) == deeds
    assert [len(call.doubts) for call in calls_of(evidence)] == [doubts]


def test_what_was_accepted_before_the_backup_may_be_sent_again_after_it(scene: Scene) -> None:
    alice, _ = crew_of(scene)
    scene.opens()
    thread = alice.asks("look 1")
    scene.comes_to_rest()
    backup = keeper(scene.url).copy(scene.url, "backup")
    scene.is_killed()
    scene.url = backup
    scene.opens()
    again, _ = crew_of(scene)
    assert again.asks("look 1") == thread
    scene.is_killed()
    assert len(scene.evidence().threads) == 1
    assert [answer["replayed"] for answer in scene.evidence().answers] == [False, True]
    assert violations(scene.evidence(), healed=True) == []
