"""The main story on Slack, told on real server processes, with kill -9 after any of its steps."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crashes.checker import find_violations
from tests.stories.slack_server_harness import OPS, Setting, SlackServerHarness, running_slack_server

ON_SQLITE, ON_POSTGRESQL = Setting("sqlite", "http"), Setting("postgresql", "socket")
ON_SQLITE_WITH_SOCKET, ON_POSTGRESQL_WITH_HTTP = Setting("sqlite", "socket"), Setting("postgresql", "http")
APART = Setting("postgresql", "http", ("web", "worker", "clock"))
APART_WITH_SOCKET = replace(APART, transport="socket")
KILLS, LONGEST_LIFE = 5, 2.5
"""Seconds a process is left to start and to work."""
STEPS = ("asked", "shown", "refused", "approved", "settled", "done", "told")
MOVE, ASKED = "push_release_tag", "deploy v1.4.0 to production"


async def story(here: SlackServerHarness) -> AsyncIterator[str]:
    """The name of each step when it is over."""
    root = await here.alice.mention_bot(ASKED, channel=OPS)
    await here.slack.wait_until_quiet()
    yield "asked"
    card = await here.bob.wait_for_card(root, approval=MOVE)
    yield "shown"
    await here.click_until_rejected(card, "Approve", by=here.eve, message="not among those who may decide")
    yield "refused"
    await card.click_until_accepted("Approve", actor=here.bob)
    yield "approved"
    await card.wait_until_closed("approved by Bob Ito")
    yield "settled"
    await here.wait_for_tag("production", "v1.4.0")
    yield "done"
    await here.alice.wait_for_reply(root, "production is now v1.4.0")
    yield "told"


async def is_told_once(here: SlackServerHarness) -> str:
    """Everything happened, each thing once, and nothing is left to do. The thread's id."""
    await here.wait_until_idle()
    evidence = here.take_snapshot()
    assert find_violations(evidence, is_settled=True) == []
    assert {row.status for row in evidence.threads.values()} == {"done"}
    [thread], [request] = evidence.threads, evidence.requests.values()
    assert [e.data["text"] for e in evidence.of_type("MessageReceived")] == [ASKED]
    assert request.status == "approved"
    card, reply = here.bot_messages()
    assert ("approved by Bob Ito" in card.visible_text, card.controls) == (True, [])
    assert "production is now v1.4.0" in reply.visible_text
    target = here.repository.tag_commit("v1.4.0")
    assert (here.repository.tag_history("production"), len(here.repository.release_records(target))) == ([target], 1)
    return thread


@pytest.mark.parametrize("setting", [ON_SQLITE, ON_POSTGRESQL, APART], ids=str)
async def test_asked_for_in_a_thread_refused_to_a_stranger_approved_done_and_told(
    tmp_path: Path, setting: Setting
) -> None:
    async with running_slack_server(tmp_path, setting) as here:
        async for _ in story(here):
            pass
        thread = await is_told_once(here)
        assert here.replay(thread)["matches"] is True


@pytest.mark.parametrize("last", STEPS)
async def test_killed_after_this_step_the_story_goes_on_and_each_thing_happens_once(tmp_path: Path, last: str) -> None:
    async with running_slack_server(tmp_path, ON_SQLITE) as here:
        async for step in story(here):
            if step == last:
                await here.kill()
                await here.start()
        await is_told_once(here)


@pytest.mark.parametrize(
    ("setting", "steps"),
    [
        (ON_POSTGRESQL, STEPS),
        (ON_POSTGRESQL_WITH_HTTP, STEPS),
        (ON_SQLITE_WITH_SOCKET, STEPS),
        (APART_WITH_SOCKET, ("asked", "approved")),
    ],
    ids=["postgresql, socket", "postgresql, http", "sqlite, socket", "postgresql, socket, apart"],
)
async def test_killed_again_and_again_the_story_goes_on_and_each_thing_happens_once(
    tmp_path: Path, setting: Setting, steps: tuple[str, ...]
) -> None:
    async with running_slack_server(tmp_path, setting) as here:
        async for step in story(here):
            if step in steps:
                await here.kill()
                await here.start()
        await is_told_once(here)


async def test_killed_at_any_moment_the_story_goes_on_and_each_thing_happens_once(
    tmp_path: Path, kill_seed: int
) -> None:
    print(f"to see this again: pytest --kill-seed {kill_seed}")  # noqa: T201 - shown when it fails
    async with running_slack_server(tmp_path, ON_POSTGRESQL_WITH_HTTP) as here:
        async with asyncio.TaskGroup() as dying:
            dying.create_task(keeps_dying(here, random.Random(kill_seed)))
            async for _ in story(here):
                pass
        await is_told_once(here)
        here.slack.ignore_ephemeral_messages()


async def keeps_dying(here: SlackServerHarness, chance: random.Random) -> None:
    for _ in range(KILLS):
        await here.pause(chance.uniform(0.0, LONGEST_LIFE))
        await here.kill()
        here.start_without_waiting()
