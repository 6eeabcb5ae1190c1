"""The main scenario on Slack with real server processes, and kill -9 after any of its stages."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crashes.checker import find_violations
from tests.harness.slack_server import OPS, Deployment, SlackServerHarness, running_slack_server
from tests.slow_cases import slow, slow_unless

SQLITE_HTTP, POSTGRESQL_SOCKET = Deployment("sqlite", "http"), Deployment("postgresql", "socket")
SQLITE_SOCKET, POSTGRESQL_HTTP = Deployment("sqlite", "socket"), Deployment("postgresql", "http")
SEPARATE_PROCESSES_HTTP = Deployment("postgresql", "http", ("web", "worker", "clock"))
SEPARATE_PROCESSES_SOCKET = replace(SEPARATE_PROCESSES_HTTP, transport="socket")
KILL_COUNT, MAX_LIFETIME_SECONDS = 5, 2.5
"""Number of random kills, and the maximum time from a start to the next kill."""
STAGES = ("requested", "shown", "rejected", "approved", "settled", "done", "reported")
TOOL, REQUEST_TEXT = "push_release_tag", "deploy v1.4.0 to production"


async def run_scenario(harness: SlackServerHarness) -> AsyncIterator[str]:
    """Run the scenario, and yield the name of each stage after the stage is done."""
    root = await harness.alice.mention_bot(REQUEST_TEXT, channel=OPS)
    await harness.slack.wait_until_quiet()
    yield "requested"
    card = await harness.bob.wait_for_card(root, approval=TOOL)
    yield "shown"
    await harness.click_until_rejected(card, "Approve", by=harness.eve, message="not allowed to decide this request")
    yield "rejected"
    await card.click_until_accepted("Approve", actor=harness.bob)
    yield "approved"
    await card.wait_until_closed("approved by Bob Ito")
    yield "settled"
    await harness.wait_for_tag("production", "v1.4.0")
    yield "done"
    await harness.alice.wait_for_reply(root, "production is now v1.4.0")
    yield "reported"


async def check_done_once(harness: SlackServerHarness) -> str:
    """Wait until the server is idle, check that each effect happened once, and return the id of the thread."""
    await harness.wait_until_idle()
    snapshot = harness.take_snapshot()
    assert find_violations(snapshot, is_work_finished=True) == []
    assert {row.status for row in snapshot.threads.values()} == {"done"}
    [thread], [request] = snapshot.threads, snapshot.requests.values()
    assert [e.data["text"] for e in snapshot.events_of_type("MessageReceived")] == [REQUEST_TEXT]
    assert request.status == "approved"
    card, reply = harness.bot_messages()
    assert ("approved by Bob Ito" in card.visible_text, card.controls) == (True, [])
    assert "production is now v1.4.0" in reply.visible_text
    target = harness.repository.tag_commit("v1.4.0")
    assert (harness.repository.tag_history("production"), len(harness.repository.release_records(target))) == (
        [target],
        1,
    )
    return thread


@pytest.mark.parametrize("deployment", [SQLITE_HTTP, POSTGRESQL_SOCKET, SEPARATE_PROCESSES_HTTP], ids=str)
async def test_stranger_is_rejected_and_approved_request_is_done(tmp_path: Path, deployment: Deployment) -> None:
    async with running_slack_server(tmp_path, deployment) as harness:
        async for _ in run_scenario(harness):
            pass
        thread = await check_done_once(harness)
        assert harness.replay(thread)["matches"] is True


@pytest.mark.parametrize("kill_stage", slow_unless(lambda stage: stage == "approved", STAGES))
async def test_each_effect_happens_once_after_a_kill_at_this_stage(tmp_path: Path, kill_stage: str) -> None:
    async with running_slack_server(tmp_path, SQLITE_HTTP) as harness:
        async for stage in run_scenario(harness):
            if stage == kill_stage:
                await harness.kill()
                await harness.start()
        await check_done_once(harness)


@pytest.mark.parametrize(
    ("deployment", "stages"),
    [
        pytest.param(POSTGRESQL_SOCKET, STAGES, marks=slow),
        pytest.param(POSTGRESQL_HTTP, STAGES, marks=slow),
        pytest.param(SQLITE_SOCKET, STAGES, marks=slow),
        (SEPARATE_PROCESSES_SOCKET, ("requested", "approved")),
    ],
    ids=["postgresql, socket", "postgresql, http", "sqlite, socket", "postgresql, socket, separate"],
)
async def test_each_effect_happens_once_after_repeated_kills(
    tmp_path: Path, deployment: Deployment, stages: tuple[str, ...]
) -> None:
    async with running_slack_server(tmp_path, deployment) as harness:
        async for stage in run_scenario(harness):
            if stage in stages:
                await harness.kill()
                await harness.start()
        await check_done_once(harness)


@slow
async def test_each_effect_happens_once_after_random_kills(tmp_path: Path, kill_seed: int) -> None:
    print(f"repeat with: pytest --kill-seed {kill_seed}")  # noqa: T201 - shown when the test fails
    async with running_slack_server(tmp_path, POSTGRESQL_HTTP) as harness:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(kill_repeatedly(harness, random.Random(kill_seed)))
            async for _ in run_scenario(harness):
                pass
        await check_done_once(harness)
        harness.slack.ignore_ephemeral_messages()


async def kill_repeatedly(harness: SlackServerHarness, random_source: random.Random) -> None:
    for _ in range(KILL_COUNT):
        await harness.pause(random_source.uniform(0.0, MAX_LIFETIME_SECONDS))
        await harness.kill()
        harness.start_without_waiting()
