"""The Slack channel delivers each message once, in its thread and within rate limits, also after failures."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from agents.core.errors import ConfigurationError, DeliveryUncertain, Permanent, Unavailable
from agents.core.messages import Card, CardField, Message, Receipt
from agents.core.values import Address
from channels.base import Channel
from channels.slack.channel import SlackChannel
from channels.slack.client import SlackClient
from channels.slack.identity import BotIdentityCache
from channels.slack.rate_limit import RateLimiter
from channels.slack.signing import ButtonValue, verify_button_value
from tests.fakes.clock import FakeClock
from tests.fakes.slack.message import Message as SlackMessage
from tests.fakes.slack.slack import FakeSlack, fake_slack

KEY = b"k" * 32
OPS = "C0OPS"


@dataclass
class ChannelHarness:
    """Slack channel connected to a fake Slack with a fake clock."""

    slack: FakeSlack
    clock: FakeClock
    channel: SlackChannel

    async def start_thread(self) -> tuple[SlackMessage, Address]:
        """Post a message as Alice; return it and the address of its thread."""
        root = await self.slack.add_person("alice", "U0ALICE").post_message("hello", channel=OPS)
        return root, Address(f"slack:{OPS}:{root.ts}")

    async def wait_for_error(self, error: str) -> None:
        """Wait until Slack has rejected a call with this error."""
        while not any(call.error == error for call in self.slack.calls):  # noqa: ASYNC110 - no event is set for that
            await asyncio.sleep(0)

    def bot_texts(self) -> list[str]:
        """Return the texts of the bot's messages in the channel, in order, and mark them as seen."""
        messages = [m for m in self.slack.workspace.channel_messages(OPS) if m.is_from_bot]
        for message in messages:
            message.is_seen = True
        return [message.text for message in messages]


@asynccontextmanager
async def running_channel() -> AsyncIterator[ChannelHarness]:
    clock = FakeClock()
    async with fake_slack(clock) as slack:
        client = SlackClient(slack.app.bot_token, slack.base_url, timeout_seconds=90, monotonic=clock.monotonic)

        async def sleep(seconds: float) -> None:
            await clock.sleep(clock.now() + timedelta(seconds=seconds), asyncio.Event())

        channel = SlackChannel(client, BotIdentityCache(client), RateLimiter(clock.monotonic, sleep), KEY, clock.now)
        try:
            yield ChannelHarness(slack, clock, channel)
        finally:
            await channel.close()


def approval(status: str = "open", **fields: object) -> Message:
    defaults = {
        "request_id": "req_1",
        "code": "A7K2",
        "digest": "ab" * 32,
        "kind": "approval",
        "status": status,
        "title": "deploy wants to run push_release_tag",
        "fields": (CardField(name="tag", value="v1.4.0"),),
        "requester": Address("person:alice"),
    }
    return Message(text="A card", card=Card.model_validate(defaults | fields))


async def test_text_is_posted_in_its_thread_and_the_receipt_names_it() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        receipt = await harness.channel.send(address, Message(text="It is *v1*."), key="thr_1:reply:4")
        (reply,) = [m for m in harness.slack.workspace.thread_messages(OPS, root.ts) if m.is_from_bot]
        assert harness.bot_texts() == ["It is *v1*."]
        assert receipt.ref == f"{OPS}:{reply.ts}"
        assert receipt.started is None
        assert reply.metadata == {
            "event_type": "handrail_message",
            "event_payload": {"outbox_id": "thr_1:reply:4", "part": 0},
        }


async def test_posted_text_unfurls_no_link_and_mentions_no_user() -> None:
    async with running_channel() as harness:
        _, address = await harness.start_thread()
        await harness.channel.send(address, Message(text="<!here> https://evil.example"), key="k")
        (text,) = [m.visible_text for m in harness.slack.workspace.channel_messages(OPS) if m.is_from_bot]
        assert "<!here>" not in text
        harness.bot_texts()
        (call,) = [call for call in harness.slack.calls if call.method == "chat.postMessage"]
        assert [call.args[name] for name in ("unfurl_links", "unfurl_media", "link_names")] == [False] * 3


async def test_buttons_are_signed_for_the_card_and_its_channel() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        await harness.channel.send(address, approval(), key="k")
        card = await harness.slack.add_person("bob", "U0BOB").wait_for_card(root)
        button = verify_button_value(KEY, card.controls[0]["value"], harness.slack.app.team, OPS)
        assert button == ButtonValue("req_1", "ab" * 32)


async def test_closed_card_replaces_the_open_one() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        receipt = await harness.channel.send(address, approval(), key="k")
        card = await harness.slack.add_person("bob", "U0BOB").wait_for_card(root)
        closed = approval("approved", outcome="approved by bob (slack)")
        changed = await harness.channel.send(address, closed, key="s", replaces=receipt)
        assert "approved by bob (slack)" in await card.wait_until_closed()
        assert changed.ref == receipt.ref
        assert changed.digest != receipt.digest


async def test_deleted_card_is_followed_by_a_new_message() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        receipt = await harness.channel.send(address, approval(), key="k")
        await harness.slack.add_person("bob", "U0BOB").wait_for_card(root)
        harness.slack.fail_next("chat.update", error="message_not_found")
        denied = approval("denied", outcome="denied")
        sending = asyncio.ensure_future(harness.channel.send(address, denied, key="s", replaces=receipt))
        closed = await _advance_clock_until_done(harness, sending)
        await harness.slack.add_person("bob", "U0BOB").wait_for_reply(root, "denied")
        assert closed.ref != receipt.ref


async def test_message_to_a_person_starts_a_direct_conversation() -> None:
    async with running_channel() as harness:
        bob = harness.slack.add_person("bob", "U0BOB")
        receipt = await harness.channel.send(Address("slack:T0RAIL/U0BOB"), approval(), key="k")
        card = await bob.wait_for_card()
        assert receipt.ref == f"{card.message.channel}:{card.message.ts}"
        assert receipt.started is not None
        assert receipt.started.address == f"slack:{receipt.ref}"
        assert receipt.started.conversation_key == f"{harness.slack.app.team}:{receipt.ref}"


async def test_other_parts_of_a_channel_message_are_in_its_thread() -> None:
    async with running_channel() as harness:
        harness.slack.add_channel(OPS)
        long = "\n\n".join(f"Paragraph {n}. " + "x" * 900 for n in range(20))
        sending = asyncio.ensure_future(harness.channel.send(Address(f"slack:{OPS}"), Message(text=long), key="k"))
        first = await harness.slack.add_person("bob", "U0BOB").wait_for_reply(text="Paragraph 0.")
        receipt = await _advance_clock_until_done(harness, sending)
        parts = harness.slack.workspace.thread_messages(OPS, first.message.ts)
        assert [part.thread_ts for part in parts] == [None, first.message.ts]
        assert receipt.started is not None
        assert receipt.ref == f"{OPS}:{first.message.ts}"
        harness.bot_texts()


async def _advance_clock_until_done(harness: ChannelHarness, task: "asyncio.Future[Receipt]") -> Receipt:
    """Advance the clock until the task is done and return its result."""
    while not task.done():
        harness.clock.advance(seconds=1)
        await asyncio.sleep(0)
    return task.result()


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_retry_finds_a_message_that_may_have_arrived(cut: str) -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        harness.slack.cut_next("chat.postMessage", cut)  # type: ignore[arg-type]  # parametrized with its two values
        with pytest.raises(DeliveryUncertain):
            await harness.channel.send(address, approval(), key="thr_1:card")
        harness.clock.advance(seconds=2)
        receipt = await harness.channel.send(address, approval(), key="thr_1:card", may_have_been_sent=True)
        (card,) = [m for m in harness.slack.workspace.thread_messages(OPS, root.ts) if m.is_from_bot]
        card.is_seen = True
        assert receipt.ref == f"{OPS}:{card.ts}"


async def test_sends_the_message_if_lookup_is_not_permitted() -> None:
    async with running_channel() as harness:
        _, address = await harness.start_thread()
        harness.slack.fail_next("conversations.replies", error="missing_scope")
        await harness.channel.send(address, Message(text="hello"), key="k", may_have_been_sent=True)
        assert harness.bot_texts() == ["hello"]


async def test_retry_sends_only_the_missing_parts() -> None:
    async with running_channel() as harness:
        _, address = await harness.start_thread()
        message = Message(text="a" * 11_000 + "\n\n" + "b" * 2000)
        sending = asyncio.ensure_future(harness.channel.send(address, message, key="k"))
        await harness.slack.add_person("bob", "U0BOB").wait_for_reply(text="aaa")
        harness.slack.fail_next("chat.postMessage", error="ratelimited", retry_after=30)
        with pytest.raises(DeliveryUncertain) as raised:
            await _advance_clock_until_done(harness, sending)
        assert raised.value.retry_after == 30
        harness.clock.advance(seconds=30)
        await harness.channel.send(address, message, key="k", may_have_been_sent=True)
        assert [text[:1] for text in harness.bot_texts()] == ["a", "b"]


async def test_lookup_ignores_messages_of_other_users() -> None:
    async with running_channel() as harness:
        root, address = await harness.start_thread()
        alice = harness.slack.add_person("alice", "U0ALICE")
        for n in range(120):
            await alice.reply(root, f"chatter {n}")
        await harness.channel.send(address, Message(text="one"), key="k1")
        harness.clock.advance(seconds=1)
        await harness.channel.send(address, Message(text="two"), key="k2", may_have_been_sent=True)
        harness.clock.advance(seconds=1)
        await harness.channel.send(address, Message(text="one"), key="k1", may_have_been_sent=True)
        assert harness.bot_texts() == ["one", "two"]
        assert [call.args.get("cursor") for call in harness.slack.calls if "replies" in call.method] == [
            None,
            "100",
            None,
            "100",
        ]


async def test_rejected_card_is_sent_as_plain_text() -> None:
    async with running_channel() as harness:
        _, address = await harness.start_thread()
        harness.slack.fail_next("chat.postMessage", error="invalid_blocks")
        await harness.channel.send(address, approval(), key="k")
        assert harness.bot_texts() == ["deploy wants to run push_release_tag\ntag: v1.4.0\nasked for by alice\n[A7K2]"]
        (card,) = [m for m in harness.slack.workspace.channel_messages(OPS) if m.is_from_bot]
        assert {block["text"]["type"] for block in card.blocks} == {"plain_text"}


async def test_rejected_markdown_is_sent_completely_as_plain_text() -> None:
    text = "".join(f"line {number} of *many*\n" for number in range(500))
    async with running_channel() as harness:
        _, address = await harness.start_thread()
        harness.slack.fail_next("chat.postMessage", error="invalid_blocks")
        await harness.channel.send(address, Message(text=text), key="k")
        harness.bot_texts()
        messages = [m for m in harness.slack.workspace.channel_messages(OPS) if m.is_from_bot]
        contents = [block["text"] for message in messages for block in message.blocks]
        assert "".join(one if isinstance(one, str) else one["text"] for one in contents) == text
        assert {block["type"] for block in messages[0].blocks} == {"section"}


async def test_rejected_plain_text_raises_permanent() -> None:
    async with running_channel() as harness:
        _, address = await harness.start_thread()
        harness.slack.fail_next("chat.postMessage", error="invalid_blocks")
        harness.slack.fail_next("chat.postMessage", error="no_text")
        with pytest.raises(Permanent):
            await harness.channel.send(address, approval(), key="k")


@pytest.mark.parametrize(
    ("code", "error"),
    [("channel_not_found", Permanent), ("token_revoked", ConfigurationError), ("internal_error", Unavailable)],
)
async def test_slack_errors_map_to_handrail_errors(code: str, error: type[Exception]) -> None:
    async with running_channel() as harness:
        _, address = await harness.start_thread()
        harness.slack.fail_next("chat.postMessage", error=code)
        with pytest.raises(error) as raised:
            await harness.channel.send(address, Message(text="hello"), key="k")
        assert type(raised.value) is error


@pytest.mark.parametrize("to", ["slack:alice", "slack:C0OPS:", "slack:C0OPS:soon", "slack:T1/C1"])
async def test_invalid_address_is_rejected(to: str) -> None:
    async with running_channel() as harness:
        with pytest.raises(Permanent):
            await harness.channel.send(Address(to), Message(text="hello"), key="k")


async def test_second_message_to_a_channel_waits_one_second() -> None:
    async with running_channel() as harness:
        _, address = await harness.start_thread()
        await harness.channel.send(address, Message(text="one"), key="k1")
        second = asyncio.ensure_future(harness.channel.send(address, Message(text="two"), key="k2"))
        await harness.slack.wait_until_quiet()
        assert harness.bot_texts() == ["one"]
        await _advance_clock_until_done(harness, second)
        assert harness.bot_texts() == ["one", "two"]


def test_implements_the_channel_protocol() -> None:
    clock = FakeClock()

    async def sleep(_: float) -> None:
        raise AssertionError

    client = SlackClient("t")
    assert isinstance(
        SlackChannel(client, BotIdentityCache(client), RateLimiter(clock.monotonic, sleep), KEY, clock.now), Channel
    )
