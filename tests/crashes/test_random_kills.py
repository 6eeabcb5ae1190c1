"""kill -9 of any process at random moments while people keep working; the other processes live on.

`pytest --kills N` sets the number of kills, `--kill-seed S` repeats the same moments.
"""

import random
import time
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest

from tests.crashes.checker import find_violations
from tests.crashes.crash_cases import CRASH_CASES
from tests.crashes.retrying_client import RetryingClient
from tests.crashes.scenario import (
    MULTI_PROCESS_DEPLOYMENTS,
    SHORT_HEARTBEAT_TIMEOUT_SECONDS,
    SINGLE_PROCESS_DEPLOYMENTS,
    CrashScenario,
    deployment_id,
)
from tests.crashes.simulated_users import ConcurrentUsers, Requester, Responder, random_task
from tests.crashes.snapshot import SystemSnapshot
from tests.crashes.tool_calls import tool_call_histories

pytestmark = pytest.mark.timeout(600)

KILLS_PER_ROUND = 50
"""Number of kills in one scenario. Afterwards all work finishes and all invariants are checked."""
KILLS_PER_CHECK = 10
MAX_LIFETIME_SECONDS = 0.35
"""Longest time in seconds a process may work before it is killed, or as long as its start took, if longer.

One in five is killed within this time of its very start, so that some die while starting.
"""
KILL_DEPLOYMENTS = [SINGLE_PROCESS_DEPLOYMENTS[0], *MULTI_PROCESS_DEPLOYMENTS]
"""One process on SQLite, and several on PostgreSQL."""
KILL_POINTS = sorted({case.kill_point for case in CRASH_CASES})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Generate a test for each round; each deployment gets its share of the kills."""
    if "kills" in metafunc.fixturenames:
        total = -(-metafunc.config.getoption("kills") // len(KILL_DEPLOYMENTS))
        rounds = [min(KILLS_PER_ROUND, total - done) for done in range(0, total, KILLS_PER_ROUND)]
        metafunc.parametrize(("round_number", "kills"), list(enumerate(rounds)))


@pytest.mark.parametrize("scenario", KILL_DEPLOYMENTS, ids=deployment_id, indirect=True)
def test_random_kills_lose_and_repeat_nothing(
    round_number: int, kills: int, kill_seed: int, scenario: CrashScenario
) -> None:
    print(f"repeat with: pytest --kill-seed {kill_seed}")  # noqa: T201 - shown when the test fails
    random_source = random.Random(f"{kill_seed} {round_number}")
    before: SystemSnapshot | None = None
    scenario.heartbeat_timeout_seconds = SHORT_HEARTBEAT_TIMEOUT_SECONDS
    with ConcurrentUsers(scenario, create_bob(scenario, random_source), create_carol(scenario)) as users:
        for number in range(4):
            users.start_task(
                partial(
                    keep_starting_tasks,
                    Requester(RetryingClient(scenario, "alice"), f"-{number}"),
                    random_source.random(),
                    users.is_stopping,
                )
            )
        scenario.start_without_waiting()
        for number in range(kills):
            index = random_source.randrange(len(scenario.roles))
            wait_for_random_time(scenario, index, random_source)
            scenario.kill_one(index)
            if number % KILLS_PER_CHECK == 0:
                before = check_snapshot(scenario, before)
            scenario.replace_process(index, *random_kill_point(random_source))
        scenario.kill()
        scenario.start()
        users.wait_until_idle()
    scenario.kill()
    snapshot = scenario.take_snapshot(before)
    assert find_violations(snapshot, is_work_finished=True) == []
    assert len(tool_call_histories(snapshot)) > kills // 10


def wait_for_random_time(scenario: CrashScenario, index: int, random_source: random.Random) -> None:
    """Wait for a random time. It is counted from the end of the start, whose duration depends on the machine."""
    process, started_at = scenario.processes[index], time.monotonic()
    if random_source.random() < 0.8:
        process.wait_until_ready()
    process.ended.wait(random_source.uniform(0.0, max(MAX_LIFETIME_SECONDS, time.monotonic() - started_at)))


def random_kill_point(random_source: random.Random) -> tuple[str, int]:
    """Return a random kill point and occurrence for the next process, or no kill point, which is more likely."""
    return (random_source.choice(KILL_POINTS) if random_source.random() < 0.4 else "", random_source.randint(1, 3))


def check_snapshot(scenario: CrashScenario, before: SystemSnapshot | None) -> SystemSnapshot:
    """Take a snapshot and check it before the killed process is replaced."""
    snapshot = scenario.take_snapshot(before)
    assert find_violations(snapshot, is_work_finished=False) == []
    return snapshot


def keep_starting_tasks(alice: Requester, seed: float, is_stopping: Callable[[], bool]) -> None:
    """Start one task after another; sometimes post a second message or cancel."""
    random_source = random.Random(seed)
    for order in count():
        command, agent = random_task(random_source)
        thread = alice.start_thread(f"{command} {alice.key_prefix}{order}", agent)
        if random_source.random() < 0.2:
            alice.post_message(thread, f"{random_task(random_source)[0]} {alice.key_prefix}{order}b")
        if random_source.random() < 0.1:
            alice.cancel(thread)
        if random_source.random() < 0.8:
            alice.wait_until_finished(thread)
        if is_stopping():
            return


def create_bob(scenario: CrashScenario, random_source: random.Random) -> Responder:
    """Return Bob, who approves most requests."""
    choices = random.Random(random_source.random())
    return Responder(RetryingClient(scenario, "bob"), should_approve=lambda _request: choices.random() < 0.8)


def create_carol(scenario: CrashScenario) -> Responder:
    """Return Carol, who approves every request."""
    return Responder(RetryingClient(scenario, "carol"))
