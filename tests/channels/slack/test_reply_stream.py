"""A reply can be read while it is written; the message that takes its place says what the log says."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.addresses import Address
from agents.messages import Message
from channels.slack.reply_stream import neutralize_prefix
from tests.channels.slack.test_channel import OPS, ChannelHarness, running_channel

ALICE = Address("slack:U0ALICE")
REPLY = "Version 1.4.0 is what runs in production, since Tuesday."


async def meanwhile(here: ChannelHarness, what: Coroutine[Any, Any, object]) -> None:
    """Until it has happened, with time going by."""
    happening = asyncio.ensure_future(what)
    while not happening.done():
        here.clock.advance(seconds=0.2)
        await asyncio.sleep(0)
    await happening


async def test_a_reply_is_read_along_and_then_replaced_by_the_whole() -> None:
    async with running_channel() as here:
        root, address = await here.start_thread()
        alice = here.slack.add_person("alice", "U0ALICE")
        draft = here.channel.start_reply(address, ALICE)
        draft.update(REPLY[:9])
        card = await alice.wait_for_stream(root, REPLY[:9])
        draft.update(REPLY[:30])
        await meanwhile(here, card.wait_for_text(REPLY[:30]))
        shown = await draft.finish()
        assert shown is not None
        here.clock.advance(seconds=1)
        receipt = await here.channel.send(address, Message(text=REPLY), key="k", replaces=shown)
        assert await card.wait_until_streamed(REPLY)
        assert receipt.ref == shown.ref == f"{OPS}:{card.message.ts}"
        assert here.bot_texts() == [REPLY]
        assert card.message.metadata["event_payload"]["outbox_id"] == "k"


async def test_what_slack_does_not_stream_is_edited_again_and_again() -> None:
    async with running_channel() as here:
        root, address = await here.start_thread()
        here.slack.fail_next("chat.startStream", error="channel_type_not_supported")
        draft = here.channel.start_reply(address, ALICE)
        draft.update(REPLY[:9])
        card = await here.slack.add_person("bob", "U0BOB").wait_for_reply(root, REPLY[:9])
        draft.update(REPLY[:30])
        await meanwhile(here, card.wait_for_text(REPLY[:30]))
        shown = await draft.finish()
        here.clock.advance(seconds=1)
        await here.channel.send(address, Message(text=REPLY), key="k", replaces=shown)
        assert here.bot_texts() == [REPLY]
        here.slack.expect_error("chat.stopStream", "message_not_in_streaming_state")


async def test_a_stream_that_breaks_is_gone_on_with_by_editing() -> None:
    async with running_channel() as here:
        root, address = await here.start_thread()
        draft = here.channel.start_reply(address, ALICE)
        draft.update(REPLY[:9])
        card = await here.slack.add_person("alice", "U0ALICE").wait_for_stream(root)
        here.slack.end_streams()
        draft.update(REPLY[:30])
        await meanwhile(here, card.wait_for_text(REPLY[:30]))
        here.slack.expect_error("chat.appendStream", "message_not_in_streaming_state")
        await draft.discard()
        await card.wait_until_deleted()
        here.slack.expect_error("chat.stopStream", "message_not_in_streaming_state")


async def test_a_draft_that_was_no_reply_is_taken_away() -> None:
    async with running_channel() as here:
        root, address = await here.start_thread()
        draft = here.channel.start_reply(address, ALICE)
        draft.update(REPLY[:9])
        card = await here.slack.add_person("alice", "U0ALICE").wait_for_stream(root)
        await draft.discard()
        await card.wait_until_deleted()


async def test_what_a_reader_has_stopped_stays_as_far_as_they_have_read_it() -> None:
    async with running_channel() as here:
        root, address = await here.start_thread()
        alice = here.slack.add_person("alice", "U0ALICE")
        draft = here.channel.start_reply(address, ALICE)
        draft.update(REPLY[:9])
        card = await alice.wait_for_stream(root)
        await alice.press_stop(root)
        draft.update(REPLY[:30])
        await meanwhile(here, here.wait_for_error("stopped_by_user"))
        here.slack.expect_error("chat.appendStream", "stopped_by_user")
        await draft.discard()
        assert (await card.wait_until_streamed()).startswith(REPLY[:9])
        assert not card.message.is_deleted


async def test_a_reply_that_is_whole_at_once_is_no_draft() -> None:
    async with running_channel() as here:
        _, address = await here.start_thread()
        draft = here.channel.start_reply(address, ALICE)
        draft.update(REPLY)
        assert await draft.finish() is None


@pytest.mark.parametrize("to", [f"slack:{OPS}", "slack:U0ALICE"])
async def test_outside_of_a_thread_nothing_is_shown_before_it_is_whole(to: str) -> None:
    async with running_channel() as here:
        draft = here.channel.start_reply(Address(to), ALICE)
        draft.update(REPLY)
        await asyncio.sleep(0)
        assert await draft.finish() is None


async def test_when_slack_is_away_the_reply_comes_once_it_is_whole() -> None:
    async with running_channel() as here:
        _, address = await here.start_thread()
        here.slack.fail_next("chat.startStream", error="internal_error")
        draft = here.channel.start_reply(address, ALICE)
        draft.update(REPLY[:9])
        await meanwhile(here, here.wait_for_error("internal_error"))
        assert await draft.finish() is None


async def test_a_long_reply_goes_on_in_other_messages_behind_its_draft() -> None:
    async with running_channel() as here:
        root, address = await here.start_thread()
        whole = "\n\n".join(f"{n}. " + "x" * 900 for n in range(20))
        draft = here.channel.start_reply(address, ALICE)
        draft.update(whole[:15_000])
        card = await here.slack.add_person("alice", "U0ALICE").wait_for_stream(root)
        shown = await draft.finish()
        here.clock.advance(seconds=2)
        await here.channel.send(address, Message(text=whole), key="k", replaces=shown)
        parts = [m for m in here.slack.workspace.thread_messages(OPS, root.ts) if m.is_from_bot]
        assert parts[0].ts == card.message.ts
        assert "".join(part.blocks[0]["text"] for part in parts) == whole
        here.bot_texts()


async def test_half_a_link_is_not_shown_before_all_of_it_is_code() -> None:
    async with running_channel() as here:
        root, address = await here.start_thread()
        draft = here.channel.start_reply(address, ALICE)
        draft.update("Look at https://evil.exa")
        card = await here.slack.add_person("alice", "U0ALICE").wait_for_stream(root, "Look at ")
        draft.update("Look at https://evil.example/?q=1 and then ")
        await meanwhile(here, card.wait_for_text("`https://evil.example/?q=1` and then "))
        assert [call.args["markdown_text"] for call in here.slack.calls if "Stream" in call.method] == [
            "Look at ",
            "`https://evil.example/?q=1` and then ",
        ]
        await draft.discard()
        await card.wait_until_deleted()


PIECES = [*"<@!#[]( \n/:.a`", "http", "\u200b", "\u202e", "⚠", "\ufe0f", "\u200d", "🔥", "\u0645", "\u200c", "\r\n"]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.integers(0, 60))
def test_the_beginning_of_a_reply_is_shown_as_it_is_shown_in_the_whole(text: str, cut: int) -> None:
    assert neutralize_prefix(text).startswith(neutralize_prefix(text[:cut]))
