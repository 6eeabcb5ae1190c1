"""A reply is shown while it is written, and is then replaced by the message of the log."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.messages import Message
from agents.core.values import Address
from channels.slack.reply_stream import neutralize_prefix
from tests.channels.slack.test_channel import OPS, ChannelHarness, running_channel

ALICE = Address("slack:U0ALICE")
REPLY = "Version 1.4.0 is what runs in production, since Tuesday."


async def advance_clock_until(harness: ChannelHarness, awaited: Coroutine[Any, Any, object]) -> None:
    """Advance the clock until the coroutine has finished."""
    task = asyncio.ensure_future(awaited)
    while not task.done():
        harness.clock.advance(seconds=0.2)
        await asyncio.sleep(0)
    await task


async def test_streamed_reply_is_replaced_by_the_final_message() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        alice = harness.slack.add_person("alice", "U0ALICE")
        stream = harness.channel.start_reply(address, ALICE)
        stream.update(REPLY[:9])
        card = await alice.wait_for_stream(root, REPLY[:9])
        stream.update(REPLY[:30])
        await advance_clock_until(harness, card.wait_for_text(REPLY[:30]))
        streamed_message = await stream.finish()
        assert streamed_message is not None
        harness.clock.advance(seconds=1)
        receipt = await harness.channel.send(address, Message(text=REPLY), key="k", replaces=streamed_message)
        assert await card.wait_until_streamed(REPLY)
        assert receipt.ref == streamed_message.ref == f"{OPS}:{card.message.ts}"
        assert harness.bot_texts() == [REPLY]
        assert card.message.metadata["event_payload"]["outbox_id"] == "k"


async def test_reply_is_edited_if_slack_does_not_stream() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        harness.slack.fail_next("chat.startStream", error="channel_type_not_supported")
        stream = harness.channel.start_reply(address, ALICE)
        stream.update(REPLY[:9])
        card = await harness.slack.add_person("bob", "U0BOB").wait_for_reply(root, REPLY[:9])
        stream.update(REPLY[:30])
        await advance_clock_until(harness, card.wait_for_text(REPLY[:30]))
        streamed_message = await stream.finish()
        harness.clock.advance(seconds=1)
        await harness.channel.send(address, Message(text=REPLY), key="k", replaces=streamed_message)
        assert harness.bot_texts() == [REPLY]
        harness.slack.assert_error_occurred("chat.stopStream", "message_not_in_streaming_state")


async def test_broken_stream_continues_by_editing() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        stream = harness.channel.start_reply(address, ALICE)
        stream.update(REPLY[:9])
        card = await harness.slack.add_person("alice", "U0ALICE").wait_for_stream(root)
        harness.slack.end_streams()
        stream.update(REPLY[:30])
        await advance_clock_until(harness, card.wait_for_text(REPLY[:30]))
        harness.slack.assert_error_occurred("chat.appendStream", "message_not_in_streaming_state")
        await stream.discard()
        await card.wait_until_deleted()
        harness.slack.assert_error_occurred("chat.stopStream", "message_not_in_streaming_state")


async def test_discarded_stream_is_deleted() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        stream = harness.channel.start_reply(address, ALICE)
        stream.update(REPLY[:9])
        card = await harness.slack.add_person("alice", "U0ALICE").wait_for_stream(root)
        await stream.discard()
        await card.wait_until_deleted()


async def test_stream_stopped_by_a_user_is_kept() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        alice = harness.slack.add_person("alice", "U0ALICE")
        stream = harness.channel.start_reply(address, ALICE)
        stream.update(REPLY[:9])
        card = await alice.wait_for_stream(root)
        await alice.press_stop(root)
        stream.update(REPLY[:30])
        await advance_clock_until(harness, harness.wait_for_error("stopped_by_user"))
        harness.slack.assert_error_occurred("chat.appendStream", "stopped_by_user")
        await stream.discard()
        assert (await card.wait_until_streamed()).startswith(REPLY[:9])
        assert not card.message.is_deleted


async def test_reply_finished_at_once_shows_nothing() -> None:
    async with running_channel() as harness:
        _, address = await harness.start_thread()
        stream = harness.channel.start_reply(address, ALICE)
        stream.update(REPLY)
        assert await stream.finish() is None


@pytest.mark.parametrize("to", [f"slack:{OPS}", "slack:U0ALICE"])
async def test_nothing_is_streamed_outside_a_thread(to: str) -> None:
    async with running_channel() as harness:
        stream = harness.channel.start_reply(Address(to), ALICE)
        stream.update(REPLY)
        await asyncio.sleep(0)
        assert await stream.finish() is None


async def test_unavailable_slack_shows_no_stream() -> None:
    async with running_channel() as harness:
        _, address = await harness.start_thread()
        harness.slack.fail_next("chat.startStream", error="internal_error")
        stream = harness.channel.start_reply(address, ALICE)
        stream.update(REPLY[:9])
        await advance_clock_until(harness, harness.wait_for_error("internal_error"))
        assert await stream.finish() is None


async def test_long_reply_continues_in_more_messages() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        reply = "\n\n".join(f"{n}. " + "x" * 900 for n in range(20))
        stream = harness.channel.start_reply(address, ALICE)
        stream.update(reply[:15_000])
        card = await harness.slack.add_person("alice", "U0ALICE").wait_for_stream(root)
        streamed_message = await stream.finish()
        harness.clock.advance(seconds=2)
        await harness.channel.send(address, Message(text=reply), key="k", replaces=streamed_message)
        parts = [m for m in harness.slack.workspace.thread_messages(OPS, root.ts) if m.is_from_bot]
        assert parts[0].ts == card.message.ts
        assert "".join(part.blocks[0]["text"] for part in parts) == reply
        harness.bot_texts()


async def test_incomplete_link_is_not_shown() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        stream = harness.channel.start_reply(address, ALICE)
        stream.update("Look at https://evil.exa")
        card = await harness.slack.add_person("alice", "U0ALICE").wait_for_stream(root, "Look at ")
        stream.update("Look at https://evil.example/?q=1 and then ")
        await advance_clock_until(harness, card.wait_for_text("`https://evil.example/?q=1` and then "))
        assert [call.args["markdown_text"] for call in harness.slack.calls if "Stream" in call.method] == [
            "Look at ",
            "`https://evil.example/?q=1` and then ",
        ]
        await stream.discard()
        await card.wait_until_deleted()


PIECES = [*"<@!#[]( \n/:.a`", "http", "\u200b", "\u202e", "⚠", "\ufe0f", "\u200d", "🔥", "\u0645", "\u200c", "\r\n"]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.integers(0, 60))
def test_prefix_is_shown_as_in_the_complete_reply(text: str, cut: int) -> None:
    assert neutralize_prefix(text).startswith(neutralize_prefix(text[:cut]))
