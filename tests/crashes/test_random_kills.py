"""kill -9 at random moments while people keep working. It may hit any process; the others live on.

`pytest --kills N` for more of them, `--kill-seed S` to see the same moments again.
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
    MULTI_PROCESS_SETTINGS,
    SHORT_HEARTBEAT_TIMEOUT_SECONDS,
    SINGLE_PROCESS_SETTINGS,
    CrashScenario,
    setting_id,
)
from tests.crashes.simulated_users import ConcurrentUsers, Requester, Responder, random_task
from tests.crashes.snapshot import SystemSnapshot
from tests.crashes.tool_calls import tool_call_histories

pytestmark = pytest.mark.timeout(600)

SEASON = 50
"""Kills in one scene: then all comes to rest, and everything is looked at."""
LOOKED_AT_EVERY = 10
LONGEST_LIFE = 0.35
"""Seconds a process is left to work, or as many as its start took: a slow machine works slowly too.

One in five is given them from its very start, so that some die while starting.
"""
WHERE = [SINGLE_PROCESS_SETTINGS[0], *MULTI_PROCESS_SETTINGS]
"""On SQLite, and several processes on PostgreSQL."""
PLACES = sorted({point.kill_point for point in CRASH_CASES})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for every season; each setting has its share of the kills."""
    if "kills" in metafunc.fixturenames:
        total = -(-metafunc.config.getoption("kills") // len(WHERE))
        seasons = [min(SEASON, total - done) for done in range(0, total, SEASON)]
        metafunc.parametrize(("season", "kills"), list(enumerate(seasons)))


@pytest.mark.parametrize("scenario", WHERE, ids=setting_id, indirect=True)
def test_random_kills_lose_and_repeat_nothing(season: int, kills: int, kill_seed: int, scenario: CrashScenario) -> None:
    print(f"to see this again: pytest --kill-seed {kill_seed}")  # noqa: T201 - shown when it fails
    chance = random.Random(f"{kill_seed} {season}")
    before: SystemSnapshot | None = None
    scenario.heartbeat_timeout_seconds = SHORT_HEARTBEAT_TIMEOUT_SECONDS
    with ConcurrentUsers(scenario, bob(scenario, chance), carol(scenario)) as users:
        for nth in range(4):
            users.start_task(
                partial(
                    keeps_asking,
                    Requester(RetryingClient(scenario, "alice"), f"-{nth}"),
                    chance.random(),
                    users.is_stopping,
                )
            )
        scenario.start_without_waiting()
        for nth in range(kills):
            which = chance.randrange(len(scenario.roles))
            lives_a_while(scenario, which, chance)
            scenario.kill_one(which)
            if nth % LOOKED_AT_EVERY == 0:
                before = checked(scenario, before)
            scenario.replace_process(which, *any_fate(chance))
        scenario.kill()
        scenario.start()
        users.wait_until_idle()
    scenario.kill()
    snapshot = scenario.take_snapshot(before)
    assert find_violations(snapshot, is_settled=True) == []
    assert len(tool_call_histories(snapshot)) > kills // 10


def lives_a_while(scenario: CrashScenario, which: int, chance: random.Random) -> None:
    """How long a start takes is up to the machine, so the time to work is counted from its end."""
    process, began = scenario.processes[which], time.monotonic()
    if chance.random() < 0.8:
        process.wait_until_ready()
    process.ended.wait(chance.uniform(0.0, max(LONGEST_LIFE, time.monotonic() - began)))


def any_fate(chance: random.Random) -> tuple[str, int]:
    """The place where the next life is to end, if it gets there in time; mostly none, so that it ends anywhere."""
    return (chance.choice(PLACES) if chance.random() < 0.4 else "", chance.randint(1, 3))


def checked(scenario: CrashScenario, before: SystemSnapshot | None) -> SystemSnapshot:
    """What can be seen now, before anybody takes the place of the one that was killed."""
    snapshot = scenario.take_snapshot(before)
    assert find_violations(snapshot, is_settled=False) == []
    return snapshot


def keeps_asking(alice: Requester, seed: float, enough: Callable[[], bool]) -> None:
    """One errand after another, each named once; now and then more is said while it is under way."""
    chance = random.Random(seed)
    for order in count():
        words, agent = random_task(chance)
        thread = alice.start_thread(f"{words} {alice.key_prefix}{order}", agent)
        if chance.random() < 0.2:
            alice.post_message(thread, f"{random_task(chance)[0]} {alice.key_prefix}{order}b")
        if chance.random() < 0.1:
            alice.cancel(thread)
        if chance.random() < 0.8:
            alice.wait_until_finished(thread)
        if enough():
            return


def bob(scenario: CrashScenario, chance: random.Random) -> Responder:
    """He approves most of what he is asked."""
    mood = random.Random(chance.random())
    return Responder(RetryingClient(scenario, "bob"), should_approve=lambda _request: mood.random() < 0.8)


def carol(scenario: CrashScenario) -> Responder:
    """She approves everything, as fast as he can."""
    return Responder(RetryingClient(scenario, "carol"))
