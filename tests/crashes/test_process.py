"""What the zygote forks is what one gets by starting a process oneself."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGKILL
from typing import Any

from tests.crashes.client import Client
from tests.crashes.nursery import PATIENCE, ROOT
from tests.crashes.people import crew_of
from tests.crashes.scene import Scene


@contextmanager
def program(scene: Scene, *wishes: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.crashes.process", f"--url={scene.url}", f"--folder={scene.folder}", *wishes]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def announced(process: subprocess.Popen[bytes]) -> Any:
    """What it says once it is ready."""
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def test_a_process_of_its_own_serves_and_dies_at_its_place_and_another_goes_on(scene: Scene) -> None:
    with program(scene, "--place=after the commit of ThreadStarted") as process:
        port = announced(process)["port"]
        said = {"message": "look 1", "reply_to": "pager:alice"}
        alice, _ = crew_of(scene)
        assert alice.client._try(port, "POST", "/v1/threads", said, "alice-1") is None
        assert process.wait(PATIENCE) == -SIGKILL
    [thread] = scene.evidence().threads
    scene.opens()
    scene.comes_to_rest()
    assert Client(scene, "alice").get(f"/v1/threads/{thread}")["status"] == "done"


def test_a_fate_is_met_by_one_process_and_once(scene: Scene) -> None:
    alice, _ = crew_of(scene)
    scene.opens("look done")
    alice.asks("look 1")
    scene.dies("look done")
    scene.opens("look done")
    scene.comes_to_rest()
    assert not scene.dead
    assert len(scene.evidence().deeds) == 2
