"""kill -9 while stored inputs are processed: each has its effect once, and one that always kills is quarantined."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from bot.services.ids import utc_now
from bot.services.inputs import MAX_UNFINISHED_ATTEMPTS, InputService
from channels.stored_input import RawInput
from storage.database.database import Database
from tests.crashes.input_processing import REPLY_ONLY
from tests.crashes.kill_points import KillPoint
from tests.crashes.process_pool import wait_until
from tests.crashes.scenario import SINGLE_PROCESS_DEPLOYMENTS, CrashScenario, deployment_id, quick_on
from tests.crashes.snapshot import count_events, snapshot_connection
from tests.slow_cases import spread

KILL_POINTS = (
    "input claimed",
    "before the commit of ThreadStarted",
    "after the commit of ThreadStarted",
    "input processed",
    "before sending reply",
    "after sending reply",
)
REPLY_KILL_POINTS = KILL_POINTS[-2:]
_INPUTS = text("SELECT key, state, reply_state, reason FROM raw_input ORDER BY received_at")


def store_inputs(scenario: CrashScenario, **contents: bytes) -> None:
    """Store inputs of one group while no process runs."""

    async def store() -> None:
        database = Database.open(scenario.url)
        inputs = InputService(database, has_job_queue=database.is_multi_process)
        for key, content in contents.items():
            assert await inputs.store(RawInput("pager", key, "ward7", utc_now(), {}, content))
        await database.close()

    asyncio.run(store())


def read_inputs(scenario: CrashScenario) -> list[tuple[Any, ...]]:
    with snapshot_connection(scenario.url) as connection:
        return [tuple(row) for row in connection.execute(_INPUTS)]


def wait_for_inputs(scenario: CrashScenario, *expected: tuple[str, str, str | None]) -> None:
    wait_until(
        lambda: [row[:3] for row in read_inputs(scenario)] == list(expected),
        lambda: f"{read_inputs(scenario)}: {scenario.log_tail}",
    )


def replies_to_inputs(scenario: CrashScenario) -> list[str]:
    entries = scenario.journals.sent_messages.read_entries()
    return [entry["text"] for entry in entries if entry["key"].startswith("input:")]


@pytest.mark.parametrize(
    ("kill_point", "scenario"),
    spread(KILL_POINTS, SINGLE_PROCESS_DEPLOYMENTS, lambda _: True),
    ids=lambda value: value if isinstance(value, str) else deployment_id(value),
    indirect=["scenario"],
)
def test_killed_input_has_one_effect_and_one_reply(kill_point: str, scenario: CrashScenario) -> None:
    posts_message = kill_point not in REPLY_KILL_POINTS
    store_inputs(scenario, one=b"look 1" if posts_message else REPLY_ONLY, two=REPLY_ONLY)
    scenario.start_without_waiting(kill_point)
    scenario.wait_for_kill(kill_point)
    scenario.start()
    wait_for_inputs(scenario, ("one", "processed", "sent"), ("two", "processed", "sent"))
    scenario.wait_until_idle()
    replies = replies_to_inputs(scenario)
    assert set(replies) == {"Got one.", "Got two."}
    assert len(replies) <= (3 if kill_point == "after sending reply" else 2)
    with snapshot_connection(scenario.url) as connection:
        assert count_events(connection, "MessageReceived") == posts_message


@quick_on("sqlite")
def test_input_that_kills_every_process_is_quarantined(scenario: CrashScenario) -> None:
    store_inputs(scenario, one=b"look 1", two=REPLY_ONLY)
    for _ in range(MAX_UNFINISHED_ATTEMPTS):
        KillPoint(scenario.folder, "input claimed").marker.unlink(missing_ok=True)
        scenario.start_without_waiting("input claimed")
        scenario.wait_for_kill("input claimed")
    scenario.start()
    wait_for_inputs(scenario, ("one", "quarantined", None), ("two", "processed", "sent"))
    assert read_inputs(scenario)[0][3] == "processing ended without a result 5 times"
