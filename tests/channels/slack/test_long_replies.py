"""A reply that is longer than three messages is its beginning and a file with all of it, once, whatever goes wrong."""

import asyncio
from typing import Any

import pytest

from agents.addresses import Address
from agents.errors import DeliveryUncertain, Permanent, Unavailable
from agents.messages import Message, Receipt
from tests.channels.slack.test_channel import OPS, ChannelHarness, running_channel
from tests.fakes.slack.message import Message as Posted
from tests.fakes.slack.scopes import revoke

WHOLE = "".join(f"{number}. A line of a very long reply, with https://a.example/{number}\n" for number in range(1000))
COMPLETE = "files.completeUploadExternal"


async def sent(here: ChannelHarness, to: Address, text: str = WHOLE, **more: Any) -> Receipt:
    """Send a reply, with time going by until it was sent."""
    sending = asyncio.ensure_future(here.channel.send(to, Message(text=text), key="thr_1:reply:4", **more))
    while not sending.done():
        here.clock.advance(seconds=1)
        await asyncio.sleep(0)
    return sending.result()


def ours(here: ChannelHarness, root: Posted) -> list[Posted]:
    here.bot_texts()
    return [message for message in here.slack.workspace.thread_messages(OPS, root.ts) if message.is_from_bot]


def files_of(here: ChannelHarness, messages: list[Posted]) -> list[str]:
    """Return what the files say that people see."""
    found = [file["id"] for message in messages for file in message.extra_fields.get("files", [])]
    return [(here.slack.workspace.uploads[file].data or b"").decode() for file in found]


def words_of(messages: list[Posted]) -> str:
    return "".join(block["text"] for m in messages for block in m.blocks if block["type"] == "markdown")


async def test_very_long_reply_is_its_beginning_and_a_file_with_all_of_it() -> None:
    async with running_channel() as here:
        root, address = await here.start_thread()
        receipt = await sent(here, address)
        first, file = ours(here, root)
        assert WHOLE.startswith(words_of([first]).replace("`", ""))
        assert f"The whole reply has {len(WHOLE):,} characters and follows below." in first.visible_text
        assert files_of(here, [first, file]) == [WHOLE]
        assert receipt.ref == f"{OPS}:{first.ts}"


async def test_reply_of_three_messages_is_sent_without_a_file() -> None:
    async with running_channel() as here:
        root, address = await here.start_thread()
        text = "\n\n".join(f"{n}. " + "x" * 900 for n in range(36))
        await sent(here, address, text)
        assert words_of(ours(here, root)) == text
        assert here.slack.workspace.uploads == {}


async def test_file_of_a_reply_outside_of_any_thread_is_in_the_thread_it_begins() -> None:
    async with running_channel() as here:
        here.slack.add_channel(OPS)
        receipt = await sent(here, Address(f"slack:{OPS}"))
        first, file = [message for message in here.slack.workspace.channel_messages(OPS) if message.is_from_bot]
        assert (first.thread_ts, file.thread_ts) == (None, first.ts)
        assert receipt.started is not None
        here.bot_texts()


async def test_file_shows_what_hides_in_a_reply() -> None:
    async with running_channel() as here:
        root, address = await here.start_thread()
        await sent(here, address, "a\u202eb" + WHOLE)
        assert files_of(here, ours(here, root)) == [r"a\u202eb" + WHOLE]


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "chat.postMessage", COMPLETE])
async def test_retry_after_an_uncertain_delivery_leaves_one_file(method: str, cut: str) -> None:
    async with running_channel() as here:
        root, address = await here.start_thread()
        here.slack.cut_next(method, cut)  # type: ignore[arg-type]  # both words are cuts
        with pytest.raises(DeliveryUncertain):
            await sent(here, address)
        receipt = await sent(here, address, maybe_sent=True)
        first, file = ours(here, root)
        assert files_of(here, [first, file]) == [WHOLE]
        assert receipt.ref == f"{OPS}:{first.ts}"
        again = await sent(here, address, maybe_sent=True)
        assert (again, len(ours(here, root))) == (receipt, 2)


async def test_draft_is_replaced_by_the_beginning_and_followed_by_one_file() -> None:
    async with running_channel() as here:
        root, address = await here.start_thread()
        draft = here.channel.start_reply(address, Address("slack:U0ALICE"))
        draft.update(WHOLE[:15_000])
        card = await here.slack.add_person("alice", "U0ALICE").wait_for_stream(root)
        shown = await draft.finish()
        here.slack.cut_next(COMPLETE, "after")
        with pytest.raises(DeliveryUncertain):
            await sent(here, address, replaces=shown)
        await sent(here, address, replaces=shown, maybe_sent=True)
        first, file = ours(here, root)
        assert first.ts == card.message.ts
        assert files_of(here, [first, file]) == [WHOLE]
        here.slack.allow_errors("message_not_in_streaming_state")


async def test_without_the_scope_a_long_reply_is_sent_in_messages_and_told() -> None:
    async with running_channel() as here:
        refused: list[Permanent] = []
        here.channel.on_rejected_file = refused.append
        revoke(here.slack.workspace, "files:write")
        root, address = await here.start_thread()
        await sent(here, address)
        assert words_of(ours(here, root)).replace("`", "") == WHOLE
        assert "missing_scope" in str(refused[0])
        here.slack.expect_error("files.getUploadURLExternal", "missing_scope")


async def test_where_the_file_cannot_be_shown_the_rest_follows_in_messages() -> None:
    async with running_channel() as here:
        refused: list[Permanent] = []
        here.channel.on_rejected_file = refused.append
        here.slack.fail_next(COMPLETE, error="posting_to_channel_denied")
        root, address = await here.start_thread()
        receipt = await sent(here, address)
        messages = ours(here, root)
        assert words_of(messages).replace("`", "") == WHOLE
        assert (await sent(here, address, maybe_sent=True)).ref == receipt.ref
        assert ours(here, root) == messages
        assert len(refused) == 1


@pytest.mark.parametrize(("status", "error"), [(500, Unavailable), (429, Unavailable)])
async def test_server_of_files_that_is_busy_is_tried_again(status: int, error: type[Exception]) -> None:
    async with running_channel() as here:
        root, address = await here.start_thread()
        here.slack.fail_next("upload", status=status)
        with pytest.raises(error):
            await sent(here, address)
        assert ours(here, root) == []
        await sent(here, address)
        assert files_of(here, ours(here, root)) == [WHOLE]


async def test_file_is_uploaded_to_slack_and_to_nobody_else() -> None:
    async with running_channel() as here:
        with pytest.raises(Permanent):
            await here.channel.client.upload("https://files.slack.com.evil.example/upload/v1/F1", b"x")
        with pytest.raises(Permanent):
            await here.channel.client.upload("http://files.slack.com/upload/v1/F1", b"x")
