"""A process started on its own behaves like one of the fork server, and a kill point is reached once."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGKILL
from typing import Any

from tests.crashes.process_pool import ROOT
from tests.crashes.retrying_client import RetryingClient
from tests.crashes.scenario import CrashScenario, quick_on
from tests.crashes.simulated_users import requester_and_responder
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS


@contextmanager
def running_process(scenario: CrashScenario, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        sys.executable,
        "-m",
        "tests.crashes.process",
        f"--url={scenario.url}",
        f"--folder={scenario.folder}",
        *options,
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def read_announcement(process: subprocess.Popen[bytes]) -> Any:
    """Return what the process announces when it is ready."""
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


@quick_on("sqlite")
def test_separate_process_dies_and_another_continues(scenario: CrashScenario) -> None:
    with running_process(scenario, "--kill-point=after the commit of ThreadStarted") as process:
        port = read_announcement(process)["port"]
        body = {"message": "look 1", "reply_to": "pager:alice"}
        alice, _ = requester_and_responder(scenario)
        assert alice.client._request_once(port, "POST", "/v1/threads", body, "alice-1") is None
        assert process.wait(WAIT_TIMEOUT_SECONDS) == -SIGKILL
    [thread] = scenario.take_snapshot().threads
    scenario.start()
    scenario.wait_until_idle()
    assert RetryingClient(scenario, "alice").get(f"/v1/threads/{thread}")["status"] == "done"


@quick_on("postgresql")
def test_kill_point_kills_one_process_once(scenario: CrashScenario) -> None:
    alice, _ = requester_and_responder(scenario)
    scenario.start("look done")
    alice.start_thread("look 1")
    scenario.wait_for_kill("look done")
    scenario.start("look done")
    scenario.wait_until_idle()
    assert not scenario.has_exited_process
    assert len(scenario.take_snapshot().side_effects) == 2
