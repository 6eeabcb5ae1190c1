"""The clock that runs, and a fake Slack that runs with it."""

import asyncio
from datetime import UTC, datetime, timedelta

from aiohttp import web

from tests.fakes.clock import RunningClock
from tests.fakes.listening_bots import bot_of
from tests.fakes.slack.postman import SOON
from tests.fakes.slack.slack import fake_slack


async def test_it_tells_the_time_of_the_world() -> None:
    before, told = datetime.now(UTC), RunningClock()
    assert before <= told.now() <= datetime.now(UTC)
    assert before.timestamp() <= told.elapsed() <= datetime.now(UTC).timestamp()


async def test_whoever_sleeps_wakes_when_it_is_time_or_when_the_bell_rings() -> None:
    clock, rung = RunningClock(), asyncio.Event()
    begun = clock.now()
    await clock.sleep(begun + timedelta(seconds=0.05), asyncio.Event())
    assert clock.now() - begun >= timedelta(seconds=0.05)
    rung.set()
    async with asyncio.timeout(5):
        await clock.sleep(begun + timedelta(hours=1), rung)
        await clock.sleep(None, rung)


async def test_an_event_that_was_not_taken_comes_again_soon_without_anybody_turning_the_clock() -> None:
    async with fake_slack(RunningClock(), pauses=SOON) as slack, bot_of(slack) as bot:
        bot.answers = lambda _: web.Response(status=200 if len(bot.heard) > 2 else 500)
        await slack.person("alice", "U0ALICE").says("hello", channel="C0OPS")
        await bot.has_heard(3)
        await slack.quiet()
    assert [heard.headers.get("X-Slack-Retry-Num") for heard in bot.heard] == [None, "1", "2"]
    assert all(heard.verified for heard in bot.heard)


async def test_whoever_insists_presses_until_the_bot_has_taken_it() -> None:
    button = {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}}
    async with fake_slack(RunningClock()) as slack, bot_of(slack) as bot:
        alice = slack.person("alice", "U0ALICE")
        slack.channel("C0OPS")
        await bot.slack.chat_postMessage(
            channel="C0OPS", text="Shall I?", blocks=[{"type": "actions", "elements": [button]}]
        )
        await slack.quiet()
        card, heard = await alice.sees(text="Shall I?"), len(bot.heard)
        bot.answers = lambda _: web.Response(status=200 if len(bot.heard) > heard + 1 else 503)
        await card.insist("Go", by=alice)
        assert len(bot.heard) == heard + 2
