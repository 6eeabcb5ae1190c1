"""The main story on Slack, told on real server processes, with kill -9 after any of its steps."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.crashes.checker import violations
from tests.fakes.slack.message import Message
from tests.stories.slack_town import OPS, Setting, SlackTown, slack_town

ON_SQLITE, ON_POSTGRESQL = Setting("sqlite", "http"), Setting("postgresql", "socket")
OTHERS = (Setting("sqlite", "socket"), Setting("postgresql", "http"))
APART = (
    Setting("postgresql", "http", ("web", "worker", "clock")),
    Setting("postgresql", "socket", ("web", "worker", "clock")),
)
STEPS = ("asked", "shown", "refused", "approved", "settled", "done", "told")
MOVE, ASKED = "push_release_tag", "deploy v1.4.0 to production"


async def story(here: SlackTown) -> AsyncIterator[tuple[str, Message]]:
    """The name of each step when it is over, and the message everything hangs on."""
    root = await here.alice.mentions(ASKED, channel=OPS)
    await here.slack.quiet()
    yield "asked", root
    card = await here.bob.sees(root, approval=MOVE)
    yield "shown", root
    await here.is_refused(card, "Approve", by=here.eve, why="not among those who may decide")
    yield "refused", root
    await here.presses(card, "Approve", by=here.bob)
    yield "approved", root
    await card.settled("approved by bob")
    yield "settled", root
    await here.sees_the_tag_moved("production", "v1.4.0")
    yield "done", root
    await here.alice.hears(root, "production is now v1.4.0")
    yield "told", root


async def is_told_once(here: SlackTown, root: Message) -> None:
    """Everything happened, each thing once, and nothing is left to do."""
    await here.comes_to_rest()
    evidence = here.evidence()
    assert violations(evidence, healed=True) == []
    assert {row.status for row in evidence.threads.values()} == {"done"}
    [thread], [request] = evidence.threads, evidence.requests.values()
    assert [e.data["text"] for e in evidence.of_type("MessageReceived")] == [ASKED]
    assert request.status == "approved"
    card, reply = here.said_by_the_bot(root)
    assert ("approved by bob" in card.words, card.controls) == (True, [])
    assert "production is now v1.4.0" in reply.words
    target = here.repo.tag("v1.4.0")
    assert (here.repo.moves("production"), len(here.repo.records(target))) == ([target], 1)
    assert here.replays(thread)["matches"] is True


def killed(setting: Setting, *steps: str) -> list[object]:
    return [pytest.param(setting, step, id=f"{setting}, {step}") for step in steps]


@pytest.mark.parametrize("setting", [ON_SQLITE, ON_POSTGRESQL, *OTHERS, *APART], ids=str)
async def test_asked_for_in_a_thread_refused_to_a_stranger_approved_done_and_told(
    tmp_path: Path, setting: Setting
) -> None:
    async with slack_town(tmp_path, setting) as here:
        async for _step, root in story(here):
            pass
        await is_told_once(here, root)


@pytest.mark.parametrize(
    ("setting", "last"),
    [
        *killed(ON_SQLITE, *STEPS),
        *killed(ON_POSTGRESQL, *STEPS),
        *killed(OTHERS[0], "asked", "approved"),
        *killed(OTHERS[1], "asked", "approved"),
        *killed(APART[0], "asked", "approved"),
        *killed(APART[1], "shown", "settled"),
    ],
)
async def test_killed_after_this_step_the_story_goes_on_and_each_thing_happens_once(
    tmp_path: Path, setting: Setting, last: str
) -> None:
    async with slack_town(tmp_path, setting) as here:
        async for step, root in story(here):
            if step == last:
                await here.is_killed()
                await here.opens()
        await is_told_once(here, root)
