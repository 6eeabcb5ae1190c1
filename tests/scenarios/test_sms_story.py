"""A card in Slack without an answer, an SMS to the release manager, and kill -9 after any stage."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crashes.checker import find_violations
from tests.harness.slack_server import OPS, Deployment
from tests.harness.sms_server import SmsServerHarness, running_sms_server
from tests.slow_cases import slow, slow_unless

SQLITE, POSTGRESQL = Deployment("sqlite", "http"), Deployment("postgresql", "http")
SEPARATE = replace(POSTGRESQL, commands=("web", "worker", "clock"))
STAGES = ("requested", "shown", "asked", "delivered", "announced", "answered", "settled", "done", "confirmed")
REQUEST_TEXT, TOOL = "deploy v1.4.0 to production", "push_release_tag"


async def run_story(harness: SmsServerHarness) -> AsyncIterator[str]:
    """Run the story, and yield the name of each stage after the stage is done."""
    slack = harness.slack
    root = await slack.alice.mention_bot(REQUEST_TEXT, channel=OPS)
    await slack.slack.wait_until_quiet()
    yield "requested"
    card = await slack.bob.wait_for_card(root, approval=TOOL)
    yield "shown"
    sms = await harness.bob.wait_for_sms(TOOL, "tag=v1.4.0")
    yield "asked"
    await harness.webhooks.report(sms, "delivered")
    yield "delivered"
    await slack.alice.wait_for_reply(root, "I asked Bob Ito by SMS")
    yield "announced"
    await harness.bob.write(f"{sms.body[:5].lower()} ok")
    yield "answered"
    await card.wait_until_closed("approved by Bob Ito (sms)")
    yield "settled"
    await slack.wait_for_tag("production", "v1.4.0")
    yield "done"
    await harness.bob.wait_for_sms(f"{sms.body[:5]}: approved by you.")
    await slack.alice.wait_for_reply(root, "production is now v1.4.0")
    yield "confirmed"


async def check_done_once(harness: SmsServerHarness) -> str:
    """Wait until the server is idle, check that each effect happened once, and return the id of the thread."""
    slack = harness.slack
    await slack.wait_until_idle()
    snapshot = slack.take_snapshot()
    assert find_violations(snapshot, is_work_finished=True) == []
    [thread], [request] = snapshot.threads, snapshot.requests.values()
    assert request.status == "approved"
    [answered] = snapshot.events_of_type("RequestAnswered")
    answer = answered.data["answer"]
    assert (answer["by"], answer["channel"]) == ("person:bob", f"sms:{harness.bob.number}")
    assert answer["assurance"] == "low"
    messages = [message.body for message in harness.bob.inbox]
    assert len([body for body in messages if TOOL in body]) == 1
    assert len([body for body in messages if "approved by you" in body]) == 1
    target = slack.repository.tag_commit("v1.4.0")
    assert slack.repository.tag_history("production") == [target]
    assert len(slack.repository.release_records(target)) == 1
    return thread


@pytest.mark.parametrize(
    "deployment", slow_unless(lambda one: one == SEPARATE, [SQLITE, POSTGRESQL, SEPARATE]), ids=str
)
async def test_unanswered_card_is_approved_by_sms(tmp_path: Path, deployment: Deployment) -> None:
    async with running_sms_server(tmp_path, deployment) as harness:
        async for _ in run_story(harness):
            pass
        thread = await check_done_once(harness)
        assert harness.slack.replay(thread)["matches"] is True


@pytest.mark.parametrize("kill_stage", slow_unless(lambda stage: stage == "answered", STAGES))
async def test_each_effect_happens_once_after_a_kill_at_this_stage(tmp_path: Path, kill_stage: str) -> None:
    async with running_sms_server(tmp_path, SQLITE) as harness:
        async for stage in run_story(harness):
            if stage == kill_stage:
                await harness.slack.kill()
                await harness.slack.start()
        await check_done_once(harness)


@slow
@pytest.mark.parametrize("deployment", [POSTGRESQL, SEPARATE], ids=str)
async def test_each_effect_happens_once_after_a_kill_at_every_stage(tmp_path: Path, deployment: Deployment) -> None:
    async with running_sms_server(tmp_path, deployment) as harness:
        async for stage in run_story(harness):
            if stage in STAGES:
                await harness.slack.kill()
                await harness.slack.start()
        await check_done_once(harness)
