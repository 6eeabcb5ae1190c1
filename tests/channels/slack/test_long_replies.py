"""A reply of more than three messages is sent as its beginning and one file, also after failures."""

import asyncio
from typing import Any

import pytest

from agents.core.errors import DeliveryUncertain, Permanent, Unavailable
from agents.core.messages import Message, Receipt
from agents.core.values import Address
from tests.channels.slack.test_channel import OPS, ChannelHarness, running_channel
from tests.fakes.slack.message import Message as SlackMessage
from tests.fakes.slack.scopes import revoke

REPLY = "".join(f"{number}. A line of a very long reply, with https://a.example/{number}\n" for number in range(1000))
COMPLETE_METHOD = "files.completeUploadExternal"


async def send(harness: ChannelHarness, to: Address, text: str = REPLY, **options: Any) -> Receipt:
    """Send a reply, advancing the clock until it is sent."""
    sending = asyncio.ensure_future(harness.channel.send(to, Message(text=text), key="thr_1:reply:4", **options))
    while not sending.done():
        harness.clock.advance(seconds=1)
        await asyncio.sleep(0)
    return sending.result()


def bot_messages(harness: ChannelHarness, root: SlackMessage) -> list[SlackMessage]:
    harness.bot_texts()
    return [message for message in harness.slack.workspace.thread_messages(OPS, root.ts) if message.is_from_bot]


def file_contents(harness: ChannelHarness, messages: list[SlackMessage]) -> list[str]:
    """Return the contents of the files that are attached to the messages."""
    file_ids = [file["id"] for message in messages for file in message.extra_fields.get("files", [])]
    return [(harness.slack.workspace.uploads[file].data or b"").decode() for file in file_ids]


def join_markdown(messages: list[SlackMessage]) -> str:
    return "".join(block["text"] for m in messages for block in m.blocks if block["type"] == "markdown")


async def test_long_reply_is_sent_as_its_beginning_and_a_file() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        receipt = await send(harness, address)
        first, file = bot_messages(harness, root)
        assert REPLY.startswith(join_markdown([first]).replace("`", ""))
        assert f"The complete reply has {len(REPLY):,} characters and follows below." in first.visible_text
        assert file_contents(harness, [first, file]) == [REPLY]
        assert receipt.ref == f"{OPS}:{first.ts}"


async def test_reply_of_three_messages_has_no_file() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        text = "\n\n".join(f"{n}. " + "x" * 900 for n in range(36))
        await send(harness, address, text)
        assert join_markdown(bot_messages(harness, root)) == text
        assert harness.slack.workspace.uploads == {}


async def test_file_of_a_channel_reply_is_posted_in_its_thread() -> None:
    async with running_channel() as harness:
        harness.slack.add_channel(OPS)
        receipt = await send(harness, Address(f"slack:{OPS}"))
        first, file = [message for message in harness.slack.workspace.channel_messages(OPS) if message.is_from_bot]
        assert (first.thread_ts, file.thread_ts) == (None, first.ts)
        assert receipt.started is not None
        harness.bot_texts()


async def test_hidden_characters_are_escaped_in_the_file() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        await send(harness, address, "a\u202eb" + REPLY)
        assert file_contents(harness, bot_messages(harness, root)) == [r"a\u202eb" + REPLY]


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "chat.postMessage", COMPLETE_METHOD])
async def test_retry_after_an_uncertain_delivery_leaves_one_file(method: str, cut: str) -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        harness.slack.cut_next(method, cut)  # type: ignore[arg-type]  # parametrized with its two values
        with pytest.raises(DeliveryUncertain):
            await send(harness, address)
        receipt = await send(harness, address, may_have_been_sent=True)
        first, file = bot_messages(harness, root)
        assert file_contents(harness, [first, file]) == [REPLY]
        assert receipt.ref == f"{OPS}:{first.ts}"
        repeated = await send(harness, address, may_have_been_sent=True)
        assert (repeated, len(bot_messages(harness, root))) == (receipt, 2)


async def test_streamed_reply_is_replaced_and_followed_by_one_file() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        stream = harness.channel.start_reply(address, Address("slack:U0ALICE"))
        stream.update(REPLY[:15_000])
        card = await harness.slack.add_person("alice", "U0ALICE").wait_for_stream(root)
        streamed_message = await stream.finish()
        harness.slack.cut_next(COMPLETE_METHOD, "after")
        with pytest.raises(DeliveryUncertain):
            await send(harness, address, replaces=streamed_message)
        await send(harness, address, replaces=streamed_message, may_have_been_sent=True)
        first, file = bot_messages(harness, root)
        assert first.ts == card.message.ts
        assert file_contents(harness, [first, file]) == [REPLY]
        harness.slack.allow_errors("message_not_in_streaming_state")


async def test_missing_scope_sends_messages_and_reports_the_error() -> None:
    async with running_channel() as harness:
        rejected: list[Permanent] = []
        harness.channel.on_rejected_file = rejected.append
        revoke(harness.slack.workspace, "files:write")
        root, address = await harness.start_thread()
        await send(harness, address)
        assert join_markdown(bot_messages(harness, root)).replace("`", "") == REPLY
        assert "missing_scope" in str(rejected[0])
        harness.slack.assert_error_occurred("files.getUploadURLExternal", "missing_scope")


async def test_rejected_file_share_sends_the_rest_as_messages() -> None:
    async with running_channel() as harness:
        rejected: list[Permanent] = []
        harness.channel.on_rejected_file = rejected.append
        harness.slack.fail_next(COMPLETE_METHOD, error="posting_to_channel_denied")
        root, address = await harness.start_thread()
        receipt = await send(harness, address)
        messages = bot_messages(harness, root)
        assert join_markdown(messages).replace("`", "") == REPLY
        assert (await send(harness, address, may_have_been_sent=True)).ref == receipt.ref
        assert bot_messages(harness, root) == messages
        assert len(rejected) == 1


@pytest.mark.parametrize(("status", "error"), [(500, Unavailable), (429, Unavailable)])
async def test_upload_is_retried_if_the_file_server_is_busy(status: int, error: type[Exception]) -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        harness.slack.fail_next("upload", status=status)
        with pytest.raises(error):
            await send(harness, address)
        assert bot_messages(harness, root) == []
        await send(harness, address)
        assert file_contents(harness, bot_messages(harness, root)) == [REPLY]


async def test_files_are_uploaded_only_to_slack() -> None:
    async with running_channel() as harness:
        with pytest.raises(Permanent):
            await harness.channel.client.upload("https://files.slack.com.evil.example/upload/v1/F1", b"x")
        with pytest.raises(Permanent):
            await harness.channel.client.upload("http://files.slack.com/upload/v1/F1", b"x")
