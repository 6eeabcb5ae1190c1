"""The clock that runs, and a fake Slack that runs with it."""

import asyncio
from datetime import UTC, datetime, timedelta

from aiohttp import web

from tests.fakes.clock import WallClock
from tests.fakes.recording_bots import recording_bot
from tests.fakes.slack.delivery import FAST_RETRY_DELAYS
from tests.fakes.slack.slack import fake_slack


async def test_it_tells_the_time_of_the_world() -> None:
    before, told = datetime.now(UTC), WallClock()
    assert before <= told.now() <= datetime.now(UTC)
    assert before.timestamp() <= told.monotonic() <= datetime.now(UTC).timestamp()


async def test_whoever_sleeps_wakes_when_it_is_time_or_when_the_bell_rings() -> None:
    clock, rung = WallClock(), asyncio.Event()
    begun = clock.now()
    await clock.sleep(begun + timedelta(seconds=0.05), asyncio.Event())
    assert clock.now() - begun >= timedelta(seconds=0.05)
    rung.set()
    async with asyncio.timeout(5):
        await clock.sleep(begun + timedelta(hours=1), rung)
        await clock.sleep(None, rung)


async def test_an_event_that_was_not_taken_comes_again_soon_without_anybody_turning_the_clock() -> None:
    async with fake_slack(WallClock(), retry_delays=FAST_RETRY_DELAYS) as slack, recording_bot(slack) as bot:
        bot.respond = lambda _: web.Response(status=200 if len(bot.received) > 2 else 500)
        await slack.add_person("alice", "U0ALICE").post_message("hello", channel="C0OPS")
        await bot.wait_for_requests(3)
        await slack.wait_until_quiet()
    assert [heard.headers.get("X-Slack-Retry-Num") for heard in bot.received] == [None, "1", "2"]
    assert all(heard.is_verified for heard in bot.received)


async def test_whoever_insists_presses_until_the_bot_has_taken_it() -> None:
    button = {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}}
    async with fake_slack(WallClock()) as slack, recording_bot(slack) as bot:
        alice = slack.add_person("alice", "U0ALICE")
        slack.add_channel("C0OPS")
        await bot.slack.chat_postMessage(
            channel="C0OPS", text="Shall I?", blocks=[{"type": "actions", "elements": [button]}]
        )
        await slack.wait_until_quiet()
        card, heard = await alice.wait_for_card(text="Shall I?"), len(bot.received)
        bot.respond = lambda _: web.Response(status=200 if len(bot.received) > heard + 1 else 503)
        await card.click_until_accepted("Go", actor=alice)
        assert len(bot.received) == heard + 2
