"""SIGTERM in the middle of a deed, and a second signal that insists. tests/bot/cli has the deed that never ends."""

import os
from pathlib import Path
from signal import SIGTERM

from tests.crashes.calls import calls_of
from tests.crashes.checker import violations
from tests.crashes.client import Client
from tests.crashes.nursery import until
from tests.crashes.people import Crew, crew_of
from tests.crashes.scene import Scene
from tests.crashes.world import gate_of

PROMISED = 10.0
"""Seconds within which a process that was asked to stop has stopped."""


def somebody_waits_at(gate: Path) -> bool:
    """Whether a tool is in the middle of its work; a pipe that nobody reads cannot be opened."""
    try:
        os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def in_the_middle_of_paying(scene: Scene) -> Path:
    """Alice has asked; the tool is at work until somebody writes into the gate."""
    gate = gate_of(scene.folder)
    os.mkfifo(gate)
    scene.opens(held="pay")
    alice, _ = crew_of(scene)
    alice.asks("pay 1")
    scene.sees("ToolStarted")
    return gate


def nobody_lets_in(scene: Scene) -> bool:
    port = scene.port
    return port is None or Client(scene, "bob")._try(port, "GET", "/v1/threads", None, None) is None


def test_a_signal_in_the_middle_of_a_deed_lets_it_end_and_accepts_nothing_new(scene: Scene) -> None:
    gate = in_the_middle_of_paying(scene)
    scene.is_asked_to_stop(SIGTERM)
    until(lambda: nobody_lets_in(scene), lambda: "it still lets people in")
    assert not scene.dead
    gate.write_bytes(b"go on")
    assert [process.ends(PROMISED) for process in scene.processes] == [0] * len(scene.processes)
    ended = scene.evidence()
    assert [call.endings for call in calls_of(ended)] == [["done"]]
    scene.opens()
    scene.comes_to_rest()
    scene.is_killed()
    evidence = scene.evidence(ended)
    assert len(evidence.deeds) == 1
    assert violations(evidence, healed=True) == []


def test_a_second_signal_ends_it_at_once_and_a_person_is_asked_what_became_of_the_deed(scene: Scene) -> None:
    in_the_middle_of_paying(scene)
    scene.is_asked_to_stop(SIGTERM)
    until(lambda: nobody_lets_in(scene), lambda: "it still lets people in")
    scene.is_asked_to_stop(SIGTERM)
    assert 128 + SIGTERM in [process.ends(PROMISED) for process in scene.processes]
    scene.is_killed()
    check_somebody_is_asked(scene)


def check_somebody_is_asked(scene: Scene) -> None:
    """Bob finds that it did not happen, so it is done again: once."""
    before = scene.evidence()
    _, bob = crew_of(scene)
    scene.opens()
    with Crew(scene, bob) as crew:
        crew.comes_to_rest()
    scene.is_killed()
    evidence = scene.evidence(before)
    assert [(len(call.doubts), call.again) for call in calls_of(evidence)] == [(1, 1)]
    assert len(evidence.deeds) == 1
    assert violations(evidence, healed=True) == []
