"""Under a thread people see that the agent works, for as long as it does, and a button to stop it."""

import asyncio

from agents.addresses import Address
from tests.channels.slack.test_channel import OPS, ChannelHarness, running_channel


async def _goes_by(here: ChannelHarness, seconds: float) -> None:
    """So much time, and all that Slack is told meanwhile."""
    for _ in range(20):
        await asyncio.sleep(0)
    here.clock.advance(seconds=seconds)
    for task in [task for task in asyncio.all_tasks() if task.get_name() == "slack status"]:
        await asyncio.wait([task], timeout=0.2)


async def test_who_works_longer_than_a_moment_is_shown_at_work_until_they_rest() -> None:
    async with running_channel() as here:
        root, address = await here.start_thread()
        here.channel.set_busy(address, "is thinking…")
        await _goes_by(here, 0.3)
        assert here.slack.workspace.sessions[OPS, root.ts] == "processing"
        assert here.slack.workspace.statuses[OPS, root.ts] == "is thinking…"
        here.channel.set_busy(address, "is running ship…")
        await _goes_by(here, 0)
        assert here.slack.workspace.statuses[OPS, root.ts] == "is running ship…"
        here.channel.set_idle(address, "waiting")
        await _goes_by(here, 0)
        assert here.slack.workspace.sessions[OPS, root.ts] == "suspended"
        assert here.slack.workspace.statuses[OPS, root.ts] == ""


async def test_what_is_over_in_a_moment_needs_no_sign() -> None:
    async with running_channel() as here:
        _, address = await here.start_thread()
        here.channel.set_busy(address, "is thinking…")
        here.channel.set_idle(address, "done")
        await _goes_by(here, 0.3)
        assert here.slack.calls == []


async def test_where_slack_has_no_place_for_it_it_is_asked_once() -> None:
    async with running_channel() as here:
        _, address = await here.start_thread()
        for method in ("agents.sessions.setStatus", "assistant.threads.setStatus"):
            here.slack.fail_next(method, error="not_allowed")
        for _ in range(2):
            here.channel.set_busy(address, "is thinking…")
            await _goes_by(here, 0.3)
            here.channel.set_idle(address, "done")
            await _goes_by(here, 0)
        assert len(here.slack.calls) == 2


async def test_a_sign_slack_did_not_take_is_put_up_later() -> None:
    async with running_channel() as here:
        root, address = await here.start_thread()
        here.slack.fail_next("agents.sessions.setStatus", error="ratelimited", retry_after=7)
        here.channel.set_busy(address, "is thinking…")
        await _goes_by(here, 0.3)
        here.channel.set_idle(address, "cancelled")
        here.channel.set_busy(address, "is thinking…")
        await _goes_by(here, 7)
        assert here.slack.workspace.sessions[OPS, root.ts] == "processing"
        here.channel.set_idle(address, "cancelled")
        await _goes_by(here, 0)
        assert here.slack.workspace.sessions[OPS, root.ts] == "closed"


async def test_outside_of_threads_there_is_no_sign() -> None:
    async with running_channel() as here:
        for address in (f"slack:{OPS}", "slack:U0ALICE", "slack:nowhere"):
            here.channel.set_busy(Address(address), "is thinking…")
            here.channel.set_idle(Address(address), "done")
        await _goes_by(here, 1)
        assert here.slack.calls == []
