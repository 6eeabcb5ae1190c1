"""Tests of the wall clock, and of a fake Slack that uses it."""

import asyncio
from datetime import UTC, datetime, timedelta

from aiohttp import web

from tests.fakes.clock import WallClock
from tests.fakes.recording_bots import recording_bot
from tests.fakes.slack.delivery import FAST_RETRY_DELAYS
from tests.fakes.slack.slack import fake_slack


async def test_wall_clock_returns_the_real_time() -> None:
    before, clock = datetime.now(UTC), WallClock()
    assert before <= clock.now() <= datetime.now(UTC)
    assert before.timestamp() <= clock.monotonic() <= datetime.now(UTC).timestamp()


async def test_sleep_ends_at_its_time_or_when_its_event_is_set() -> None:
    clock, wake_event = WallClock(), asyncio.Event()
    started_at = clock.now()
    await clock.sleep(started_at + timedelta(seconds=0.05), asyncio.Event())
    assert clock.now() - started_at >= timedelta(seconds=0.05)
    wake_event.set()
    async with asyncio.timeout(90):
        await clock.sleep(started_at + timedelta(hours=1), wake_event)
        await clock.sleep(None, wake_event)


async def test_unacknowledged_event_is_soon_retried() -> None:
    async with fake_slack(WallClock(), retry_delays=FAST_RETRY_DELAYS) as slack, recording_bot(slack) as bot:
        bot.respond = lambda _: web.Response(status=200 if len(bot.received) > 2 else 500)
        await slack.add_person("alice", "U0ALICE").post_message("hello", channel="C0OPS")
        await bot.wait_for_requests(3)
        await slack.wait_until_quiet()
    assert [request.headers.get("X-Slack-Retry-Num") for request in bot.received] == [None, "1", "2"]
    assert all(request.is_verified for request in bot.received)


async def test_click_is_repeated_until_the_bot_accepts_it() -> None:
    button = {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}}
    async with fake_slack(WallClock()) as slack, recording_bot(slack) as bot:
        alice = slack.add_person("alice", "U0ALICE")
        slack.add_channel("C0OPS")
        await bot.slack.chat_postMessage(
            channel="C0OPS", text="Shall I?", blocks=[{"type": "actions", "elements": [button]}]
        )
        await slack.wait_until_quiet()
        card, count = await alice.wait_for_card(text="Shall I?"), len(bot.received)
        bot.respond = lambda _: web.Response(status=200 if len(bot.received) > count + 1 else 503)
        await card.click_until_accepted("Go", actor=alice)
        assert len(bot.received) == count + 2
