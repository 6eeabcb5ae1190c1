"""The status that Slack shows under a thread while an agent works."""

import asyncio

from agents.core.values import Address
from tests.channels.slack.test_channel import OPS, ChannelHarness, running_channel
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS


async def _advance_clock(harness: ChannelHarness, seconds: float) -> None:
    """Let time pass and wait until the due status updates have been sent."""
    for _ in range(20):
        await asyncio.sleep(0)
    harness.clock.advance(seconds=seconds)
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while _count_running_updates() > harness.clock.sleeper_count:  # noqa: ASYNC110 - no event is set for that
            await asyncio.sleep(0)


def _count_running_updates() -> int:
    return sum(task.get_name() == "slack status" for task in asyncio.all_tasks())


async def test_shows_busy_status_until_idle() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        harness.channel.set_busy(address, "is thinking…")
        await _advance_clock(harness, 0.3)
        assert harness.slack.workspace.sessions[OPS, root.ts] == "processing"
        assert harness.slack.workspace.statuses[OPS, root.ts] == "is thinking…"
        harness.channel.set_busy(address, "is running ship…")
        await _advance_clock(harness, 0)
        assert harness.slack.workspace.statuses[OPS, root.ts] == "is running ship…"
        harness.channel.set_idle(address, "waiting")
        await _advance_clock(harness, 0)
        assert harness.slack.workspace.sessions[OPS, root.ts] == "suspended"
        assert harness.slack.workspace.statuses[OPS, root.ts] == ""


async def test_short_work_shows_no_status() -> None:
    async with running_channel() as harness:
        _, address = await harness.start_thread()
        harness.channel.set_busy(address, "is thinking…")
        harness.channel.set_idle(address, "done")
        await _advance_clock(harness, 0.3)
        assert harness.slack.calls == []


async def test_unsupported_methods_are_called_only_once() -> None:
    async with running_channel() as harness:
        _, address = await harness.start_thread()
        for method in ("agents.sessions.setStatus", "assistant.threads.setStatus"):
            harness.slack.fail_next(method, error="not_allowed")
        for _ in range(2):
            harness.channel.set_busy(address, "is thinking…")
            await _advance_clock(harness, 0.3)
            harness.channel.set_idle(address, "done")
            await _advance_clock(harness, 0)
        assert len(harness.slack.calls) == 2


async def test_rate_limited_status_is_sent_later() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        harness.slack.fail_next("agents.sessions.setStatus", error="ratelimited", retry_after=7)
        harness.channel.set_busy(address, "is thinking…")
        await _advance_clock(harness, 0.3)
        harness.channel.set_idle(address, "cancelled")
        harness.channel.set_busy(address, "is thinking…")
        await _advance_clock(harness, 7)
        assert harness.slack.workspace.sessions[OPS, root.ts] == "processing"
        harness.channel.set_idle(address, "cancelled")
        await _advance_clock(harness, 0)
        assert harness.slack.workspace.sessions[OPS, root.ts] == "closed"


async def test_no_status_outside_threads() -> None:
    async with running_channel() as harness:
        for address in (f"slack:{OPS}", "slack:U0ALICE", "slack:nowhere"):
            harness.channel.set_busy(Address(address), "is thinking…")
            harness.channel.set_idle(Address(address), "done")
        await _advance_clock(harness, 1)
        assert harness.slack.calls == []
