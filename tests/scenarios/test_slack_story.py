"""The main story on Slack, told on real server processes, with kill -9 after any of its steps."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crashes.checker import violations
from tests.stories.slack_town import OPS, Setting, SlackTown, slack_town

ON_SQLITE, ON_POSTGRESQL = Setting("sqlite", "http"), Setting("postgresql", "socket")
ON_SQLITE_WITH_SOCKET, ON_POSTGRESQL_WITH_HTTP = Setting("sqlite", "socket"), Setting("postgresql", "http")
APART = Setting("postgresql", "http", ("web", "worker", "clock"))
APART_WITH_SOCKET = replace(APART, transport="socket")
KILLS, LONGEST_LIFE = 5, 2.5
"""Seconds a process is left to start and to work."""
STEPS = ("asked", "shown", "refused", "approved", "settled", "done", "told")
MOVE, ASKED = "push_release_tag", "deploy v1.4.0 to production"


async def story(here: SlackTown) -> AsyncIterator[str]:
    """The name of each step when it is over."""
    root = await here.alice.mentions(ASKED, channel=OPS)
    await here.slack.quiet()
    yield "asked"
    card = await here.bob.sees(root, approval=MOVE)
    yield "shown"
    await here.is_refused(card, "Approve", by=here.eve, why="not among those who may decide")
    yield "refused"
    await card.insist("Approve", by=here.bob)
    yield "approved"
    await card.settled("approved by Bob Ito")
    yield "settled"
    await here.sees_the_tag_moved("production", "v1.4.0")
    yield "done"
    await here.alice.hears(root, "production is now v1.4.0")
    yield "told"


async def is_told_once(here: SlackTown) -> str:
    """Everything happened, each thing once, and nothing is left to do. The thread's id."""
    await here.comes_to_rest()
    evidence = here.evidence()
    assert violations(evidence, healed=True) == []
    assert {row.status for row in evidence.threads.values()} == {"done"}
    [thread], [request] = evidence.threads, evidence.requests.values()
    assert [e.data["text"] for e in evidence.of_type("MessageReceived")] == [ASKED]
    assert request.status == "approved"
    card, reply = here.said_by_the_bot()
    assert ("approved by Bob Ito" in card.words, card.controls) == (True, [])
    assert "production is now v1.4.0" in reply.words
    target = here.repo.tag("v1.4.0")
    assert (here.repo.moves("production"), len(here.repo.records(target))) == ([target], 1)
    return thread


@pytest.mark.parametrize("setting", [ON_SQLITE, ON_POSTGRESQL, APART], ids=str)
async def test_asked_for_in_a_thread_refused_to_a_stranger_approved_done_and_told(
    tmp_path: Path, setting: Setting
) -> None:
    async with slack_town(tmp_path, setting) as here:
        async for _ in story(here):
            pass
        thread = await is_told_once(here)
        assert here.replays(thread)["matches"] is True


@pytest.mark.parametrize("last", STEPS)
async def test_killed_after_this_step_the_story_goes_on_and_each_thing_happens_once(tmp_path: Path, last: str) -> None:
    async with slack_town(tmp_path, ON_SQLITE) as here:
        async for step in story(here):
            if step == last:
                await here.is_killed()
                await here.opens()
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
    async with slack_town(tmp_path, setting) as here:
        async for step in story(here):
            if step in steps:
                await here.is_killed()
                await here.opens()
        await is_told_once(here)


async def test_killed_at_any_moment_the_story_goes_on_and_each_thing_happens_once(
    tmp_path: Path, kill_seed: int
) -> None:
    print(f"to see this again: pytest --kill-seed {kill_seed}")  # noqa: T201 - shown when it fails
    async with slack_town(tmp_path, ON_POSTGRESQL_WITH_HTTP) as here:
        async with asyncio.TaskGroup() as dying:
            dying.create_task(keeps_dying(here, random.Random(kill_seed)))
            async for _ in story(here):
                pass
        await is_told_once(here)
        here.slack.overlooks_notes()


async def keeps_dying(here: SlackTown, chance: random.Random) -> None:
    for _ in range(KILLS):
        await here.waits(chance.uniform(0.0, LONGEST_LIFE))
        await here.is_killed()
        here.begins()
