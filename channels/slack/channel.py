"""What leaves for Slack: cards and words, each once, in their thread, no faster than Slack takes them."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from agents.addresses import Address
from agents.errors import DeliveryUncertain, Permanent, Retryable
from agents.messages import Assurance, Message, Receipt, StartedConversation
from channels.base import Capabilities, IdleReason
from channels.slack.agent_status import StatusUpdater
from channels.slack.bot_identity import BotIdentityCache
from channels.slack.cards import MAX_TEXT_LENGTH, RenderedMessage, beginning, plain_text_blocks, render, sections_of
from channels.slack.client import SlackClient
from channels.slack.destinations import Destination, parse_destination, parse_message_ref
from channels.slack.errors import ContentRejected, MessageNotEditable
from channels.slack.escaping import INERT, QUIET, escape_hidden_except_whitespace, escape_mrkdwn
from channels.slack.files import MAX_MESSAGES, file_name, share_file, upload_text
from channels.slack.message_lookup import FILE, find_sent_parts, message_metadata
from channels.slack.rate_limit import RateLimiter
from channels.slack.reply_stream import EditedMessage, NativeStream, SlackReplyStream, StreamTransport
from channels.slack.signing import ButtonValue, sign_button_value
from channels.text import text_digest, to_plain_text


@dataclass(frozen=True)
class Parts:
    """What a message is sent as: postings, and behind them a file, if one was uploaded, in place of the `rest`."""

    postings: tuple[RenderedMessage, ...]
    rest: tuple[RenderedMessage, ...] = ()
    file_id: str | None = None


@dataclass
class SlackChannel:
    """Posts as the app of one workspace. `key` seals the references its buttons carry.

    `on_refused_file` is called where Slack takes no file, and the whole reply goes into messages.
    """

    client: SlackClient
    bot_identity: BotIdentityCache
    rate_limiter: RateLimiter
    signing_key: bytes
    now: Callable[[], datetime]
    on_refused_file: Callable[[Permanent], None] = lambda _: None
    scheme: ClassVar[str] = "slack"
    capabilities: ClassVar[Capabilities] = Capabilities(
        has_buttons=True,
        has_links=True,
        can_edit=True,
        has_markdown=True,
        max_length=MAX_TEXT_LENGTH,
        assurance=Assurance.HIGH,
    )
    _status_updater: StatusUpdater = field(init=False)
    _direct_channels: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._status_updater = StatusUpdater(self.client, self.rate_limiter.monotonic, self.rate_limiter.sleep)

    async def close(self) -> None:
        """Give up what is shown of work, and the connections."""
        await self._status_updater.stop()
        await self.client.close()

    def is_private(self, address: Address) -> bool:
        """A person, or the conversation the app has with one alone."""
        try:
            spot = parse_destination(address)
        except Permanent:
            return False
        return not isinstance(spot, Destination) or spot.channel.startswith("D")

    def set_busy(self, address: Address, activity: str) -> None:
        """Shown in threads, where Slack has a place for it."""
        if (thread := _thread_destination(address)) is not None:
            self._status_updater.set_busy(thread, activity)

    def set_idle(self, address: Address, reason: IdleReason) -> None:
        if (thread := _thread_destination(address)) is not None:
            self._status_updater.set_idle(thread, reason)

    async def send(
        self, to: Address, message: Message, *, key: str, replaces: Receipt | None = None, maybe_sent: bool = False
    ) -> Receipt:
        """Post a message, or change one. Its ref is the channel and the ts of its first part."""
        spot = await self._resolve_destination(to)
        if replaces is not None:
            return await self._update_message(spot, message, key, replaces, maybe_sent=maybe_sent)
        return await self._post_message(spot, message, key, maybe_sent=maybe_sent)

    async def _resolve_destination(self, to: Address) -> Destination:
        """A person is met in the conversation the app has with them alone."""
        spot = parse_destination(to)
        if isinstance(spot, Destination):
            return spot
        if spot not in self._direct_channels:
            opened = await self.client.call("conversations.open", users=spot)
            self._direct_channels[spot] = str(opened["channel"]["id"])
        return Destination(self._direct_channels[spot])

    async def _render(self, message: Message, channel: str) -> tuple[RenderedMessage, ...]:
        card = message.card
        if card is None or card.status != "open":
            return render(message)
        about = ButtonValue(card.request_id, card.digest)
        return render(
            message,
            sign_button_value(self.signing_key, about, (await self.bot_identity.get()).installation_id, channel),
        )

    def start_reply(self, to: Address, recipient: Address | None) -> SlackReplyStream:
        """A reply while it is written. One to somewhere else than a thread is shown once it is whole."""
        there = _thread_destination(to)
        ways: list[StreamTransport] = []
        if there is not None:
            ways += [NativeStream(self.client, self.bot_identity, there, recipient), EditedMessage(self.client, there)]
        spot = there or Destination("")
        return SlackReplyStream(
            self.client, spot, ways, partial(self.rate_limiter.acquire, spot.channel), self.rate_limiter.sleep
        )

    async def _post_message(self, destination: Destination, message: Message, key: str, *, maybe_sent: bool) -> Receipt:
        there = await self._find_sent_parts(destination, key) if maybe_sent else {}
        return await self._completed(
            destination, message, key, await self._parts(message, destination.channel, key, there), there
        )

    async def _parts(self, message: Message, channel: str, key: str, there: dict[int, str]) -> Parts:
        """Draw a message: one that is too long is its beginning and a file, unless it has begun as messages."""
        postings = await self._render(message, channel)
        if message.card is not None or len(postings) <= MAX_MESSAGES or any(number > 0 for number in there):
            return Parts(postings)
        shown = (beginning(postings[0], len(message.text)),)
        if FILE in there:
            return Parts(shown, postings[1:])
        try:
            file_id = await upload_text(self.client, file_name(key), escape_hidden_except_whitespace(message.text))
        except Permanent as error:
            self.on_refused_file(error)
            return Parts(postings)
        return Parts(shown, postings[1:], file_id)

    async def _completed(
        self, spot: Destination, message: Message, key: str, parts: Parts, there: dict[int, str]
    ) -> Receipt:
        """Send every part that is not there. When one fails, whoever tries again looks for those that are."""
        try:
            for number, posting in enumerate(parts.postings):
                if number not in there:
                    place = Destination(spot.channel, spot.thread_ts or there.get(0))
                    there[number] = await self._post_part(place, posting, message, message_metadata(key, number))
            if parts.file_id is not None:
                await self.rate_limiter.acquire(spot.channel)
                title = f"The whole reply, {len(message.text):,} characters"
                await share_file(
                    self.client, Destination(spot.channel, spot.thread_ts or there[0]), parts.file_id, title
                )
        except Retryable as error:
            raise (DeliveryUncertain(str(error), retry_after=error.retry_after) if there else error) from error
        except Permanent as error:
            if parts.file_id is None or 0 not in there:
                raise
            self.on_refused_file(error)
            rest = Parts((*parts.postings, *parts.rest))
            return await self._completed(spot, message, key, rest, there)
        return await self._make_receipt(spot, there[0], (*parts.postings, *parts.rest))

    async def _find_sent_parts(self, destination: Destination, key: str) -> dict[int, str]:
        """The parts that have arrived. Where we may not look, one message too many is better than none."""
        try:
            return await find_sent_parts(self.client, destination, key, self.now())
        except Permanent:
            return {}

    async def _post_part(
        self, destination: Destination, rendered: RenderedMessage, message: Message, part_metadata: dict[str, Any]
    ) -> str:
        await self.rate_limiter.acquire(destination.channel, is_urgent=message.card is not None)
        thread = {"thread_ts": destination.thread_ts} if destination.thread_ts else {}
        arguments = {"channel": destination.channel, **thread, "metadata": part_metadata, **QUIET}
        return str((await self._call_with_fallback("chat.postMessage", rendered, message, arguments))["ts"])

    async def _update_message(
        self, destination: Destination, message: Message, key: str, replaces: Receipt, *, maybe_sent: bool
    ) -> Receipt:
        """A message that is gone, or too old to be changed, is followed by a new one in its thread."""
        channel, ts = parse_message_ref(replaces)
        at = Destination(channel, destination.thread_ts)
        there = await self._find_sent_parts(at, key) if maybe_sent and message.card is None else {}
        parts = await self._parts(message, channel, key, there)
        if message.card is None:
            await self._stop_stream(channel, ts)
        await self.rate_limiter.acquire(f"{channel}:{ts}", is_urgent=True)
        try:
            named = {"channel": channel, "ts": ts} | ({} if message.card else {"metadata": message_metadata(key, 0)})
            await self._call_with_fallback("chat.update", parts.postings[0], message, named)
        except MessageNotEditable:
            return await self._completed(at, message, key, parts, await self._find_sent_parts(at, key))
        rest = await self._completed(at, message, key, parts, there | {0: ts})
        return Receipt(ref=replaces.ref, digest=rest.digest)

    async def _stop_stream(self, channel: str, ts: str) -> None:
        """What is still being streamed cannot be changed. What was not streamed, or has ended, is no stream."""
        with suppress(Permanent):
            await self.client.call("chat.stopStream", channel=channel, ts=ts)

    async def _call_with_fallback(
        self, method: str, rendered: RenderedMessage, message: Message, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        """What Slack does not take as it is drawn, it may take as plain text; of words none are left out by that."""
        try:
            blocks = list(rendered.blocks)
            return await self.client.call(method, text=rendered.text, blocks=blocks, **INERT, **arguments)
        except ContentRejected:
            told = {**INERT, **arguments}
            if message.card is None:
                return await self.client.call(
                    method, text=rendered.text, blocks=list(plain_text_blocks(rendered)), **told
                )
            plain = escape_hidden_except_whitespace(to_plain_text(message, self.capabilities))
            blocks = list(sections_of(plain))
            return await self.client.call(method, text=escape_mrkdwn(plain, MAX_TEXT_LENGTH), blocks=blocks, **told)

    async def _make_receipt(self, destination: Destination, ts: str, parts: Sequence[RenderedMessage]) -> Receipt:
        """What is said about a message outside of any thread comes in from a thread of its own."""
        ref = f"{destination.channel}:{ts}"
        begun = (
            StartedConversation(
                address=Address(f"slack:{ref}"),
                conversation_key=f"{(await self.bot_identity.get()).installation_id}:{ref}",
            )
            if not destination.thread_ts
            else None
        )
        return Receipt(ref=ref, digest=_parts_digest(parts), started=begun)


def _thread_destination(address: Address) -> Destination | None:
    try:
        spot = parse_destination(address)
    except Permanent:
        return None
    return spot if isinstance(spot, Destination) and spot.thread_ts else None


def _parts_digest(parts: Sequence[RenderedMessage]) -> str:
    return text_digest(json.dumps([[posting.text, posting.blocks] for posting in parts]))
