"""Slack channel: sends cards and texts to Slack, within Slack's rate limits and without duplicates where possible."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from agents.core.errors import DeliveryUncertain, Permanent, Retryable
from agents.core.messages import Assurance, Message, Receipt, StartedConversation
from agents.core.values import Address
from channels.abilities import IdleReason
from channels.base import Capabilities
from channels.slack.agent_status import StatusUpdater
from channels.slack.blocks import NO_PARSING, NO_UNFURLING, escape_hidden_except_whitespace, escape_mrkdwn
from channels.slack.cards import (
    MAX_TEXT_LENGTH,
    RenderedMessage,
    plain_text_blocks,
    plain_text_sections,
    render,
    render_beginning,
)
from channels.slack.client import MAX_MESSAGES, SlackClient, file_name, share_file, upload_text
from channels.slack.destinations import Destination, parse_destination, parse_message_ref
from channels.slack.errors import ContentRejected, MessageNotEditable
from channels.slack.identity import BotIdentityCache
from channels.slack.message_lookup import FILE, find_sent_parts, message_metadata
from channels.slack.rate_limit import RateLimiter
from channels.slack.reply_stream import MessageEditTransport, NativeStreamTransport, SlackReplyStream, StreamTransport
from channels.slack.signing import ButtonValue, sign_button_value
from channels.text import text_digest, to_plain_text


@dataclass(frozen=True)
class Parts:
    """Parts of one message: Slack messages, and an uploaded file if there is one.

    `replaced_messages` are the Slack messages that the file replaces; they are sent if the file cannot be shared.
    """

    messages: tuple[RenderedMessage, ...]
    replaced_messages: tuple[RenderedMessage, ...] = ()
    file_id: str | None = None


@dataclass
class SlackChannel:
    """Channel that posts as the app of one installation. `signing_key` signs the values of its buttons.

    `on_rejected_file` is called when Slack rejects a file, before the complete reply is sent as messages instead.
    """

    client: SlackClient
    bot_identity: BotIdentityCache
    rate_limiter: RateLimiter
    signing_key: bytes
    now: Callable[[], datetime]
    on_rejected_file: Callable[[Permanent], None] = lambda _: None
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
        """Stop updating statuses and close the connections."""
        await self._status_updater.stop()
        await self.client.close()

    def is_private(self, address: Address) -> bool:
        """Return whether the address is a person or a direct message channel."""
        try:
            destination = parse_destination(address)
        except Permanent:
            return False
        return not isinstance(destination, Destination) or destination.channel.startswith("D")

    def set_busy(self, address: Address, activity: str) -> None:
        """Show the activity in a thread. Do nothing for another address, where Slack cannot show it."""
        if (destination := _thread_destination(address)) is not None:
            self._status_updater.set_busy(destination, activity)

    def set_idle(self, address: Address, reason: IdleReason) -> None:
        if (destination := _thread_destination(address)) is not None:
            self._status_updater.set_idle(destination, reason)

    async def send(
        self,
        to: Address,
        message: Message,
        *,
        key: str,
        replaces: Receipt | None = None,
        may_have_been_sent: bool = False,
    ) -> Receipt:
        """Post or update a message. The receipt's ref is `CHANNEL:TS` of its first part."""
        destination = await self._resolve_destination(to)
        if replaces is not None:
            return await self._update_message(
                destination, message, key, replaces, may_have_been_sent=may_have_been_sent
            )
        return await self._post_message(destination, message, key, may_have_been_sent=may_have_been_sent)

    async def _resolve_destination(self, to: Address) -> Destination:
        """Return the destination of an address; for a person, open the direct message channel with them."""
        parsed = parse_destination(to)
        if isinstance(parsed, Destination):
            return parsed
        if parsed not in self._direct_channels:
            response = await self.client.call("conversations.open", users=parsed)
            self._direct_channels[parsed] = str(response["channel"]["id"])
        return Destination(self._direct_channels[parsed])

    async def _render(self, message: Message, channel: str) -> tuple[RenderedMessage, ...]:
        card = message.card
        if card is None or card.status != "open":
            return render(message)
        value = ButtonValue(card.request_id, card.digest)
        installation_id = (await self.bot_identity.get()).installation_id
        return render(message, sign_button_value(self.signing_key, value, installation_id, channel))

    def start_reply(self, to: Address, recipient: Address | None) -> SlackReplyStream:
        """Return a stream for a reply in a thread. For an address outside a thread, the stream shows nothing."""
        thread = _thread_destination(to)
        transports: list[StreamTransport] = []
        if thread is not None:
            transports.append(NativeStreamTransport(self.client, self.bot_identity, thread, recipient))
            transports.append(MessageEditTransport(self.client, thread))
        destination = thread or Destination("")
        acquire = partial(self.rate_limiter.acquire, destination.channel)
        return SlackReplyStream(self.client, destination, transports, acquire, self.rate_limiter.sleep)

    async def _post_message(
        self, destination: Destination, message: Message, key: str, *, may_have_been_sent: bool
    ) -> Receipt:
        sent_parts = await self._find_sent_parts(destination, key) if may_have_been_sent else {}
        parts = await self._prepare_parts(message, destination.channel, key, sent_parts)
        return await self._send_missing_parts(destination, message, key, parts, sent_parts)

    async def _prepare_parts(self, message: Message, channel: str, key: str, sent_parts: dict[int, str]) -> Parts:
        """Render a message; if it needs more than MAX_MESSAGES, upload it as a file.

        Such a message becomes its beginning and the file, unless an earlier attempt sent it as several messages.
        """
        messages = await self._render(message, channel)
        if message.card is not None or len(messages) <= MAX_MESSAGES or any(number > 0 for number in sent_parts):
            return Parts(messages)
        first = (render_beginning(messages[0], len(message.text)),)
        if FILE in sent_parts:
            return Parts(first, messages[1:])
        try:
            file_id = await upload_text(self.client, file_name(key), escape_hidden_except_whitespace(message.text))
        except Permanent as error:
            self.on_rejected_file(error)
            return Parts(messages)
        return Parts(first, messages[1:], file_id)

    async def _send_missing_parts(
        self, destination: Destination, message: Message, key: str, parts: Parts, sent_parts: dict[int, str]
    ) -> Receipt:
        """Send every part that is not in `sent_parts`, the ts of each sent part by its number, and add it there.

        If a part fails after another one was sent, raise DeliveryUncertain: the retry then looks for the sent parts.
        """
        channel = destination.channel
        try:
            for number, rendered in enumerate(parts.messages):
                if number not in sent_parts:
                    thread = Destination(channel, destination.thread_ts or sent_parts.get(0))
                    sent_parts[number] = await self._post_part(thread, rendered, message, message_metadata(key, number))
            if parts.file_id is not None:
                await self.rate_limiter.acquire(channel)
                title = f"The complete reply, {len(message.text):,} characters"
                thread = Destination(channel, destination.thread_ts or sent_parts[0])
                await share_file(self.client, thread, parts.file_id, title)
        except Retryable as error:
            raise (DeliveryUncertain(str(error), retry_after=error.retry_after) if sent_parts else error) from error
        except Permanent as error:
            if parts.file_id is None or 0 not in sent_parts:
                raise
            self.on_rejected_file(error)
            all_messages = Parts((*parts.messages, *parts.replaced_messages))
            return await self._send_missing_parts(destination, message, key, all_messages, sent_parts)
        return await self._make_receipt(destination, sent_parts[0], (*parts.messages, *parts.replaced_messages))

    async def _find_sent_parts(self, destination: Destination, key: str) -> dict[int, str]:
        """Return the ts of each part of this message that already exists in Slack, by its number.

        If the history cannot be read, return none: a duplicate is better than a lost message.
        """
        try:
            return await find_sent_parts(self.client, destination, key, self.now())
        except Permanent:
            return {}

    async def _post_part(
        self, destination: Destination, rendered: RenderedMessage, message: Message, part_metadata: dict[str, Any]
    ) -> str:
        await self.rate_limiter.acquire(destination.channel, is_urgent=message.card is not None)
        thread = {"thread_ts": destination.thread_ts} if destination.thread_ts else {}
        arguments = {"channel": destination.channel, **thread, "metadata": part_metadata, **NO_UNFURLING}
        return str((await self._call_with_fallback("chat.postMessage", rendered, message, arguments))["ts"])

    async def _update_message(
        self, destination: Destination, message: Message, key: str, replaces: Receipt, *, may_have_been_sent: bool
    ) -> Receipt:
        """Update the message of a receipt. If it can no longer be edited, post a new one in its thread."""
        channel, ts = parse_message_ref(replaces)
        thread = Destination(channel, destination.thread_ts)
        sent_parts = await self._find_sent_parts(thread, key) if may_have_been_sent and message.card is None else {}
        parts = await self._prepare_parts(message, channel, key, sent_parts)
        if message.card is None:
            await self._stop_stream(channel, ts)
        await self.rate_limiter.acquire(f"{channel}:{ts}", is_urgent=True)
        try:
            metadata = {} if message.card else {"metadata": message_metadata(key, 0)}
            arguments = {"channel": channel, "ts": ts} | metadata
            await self._call_with_fallback("chat.update", parts.messages[0], message, arguments)
        except MessageNotEditable:
            sent_parts = await self._find_sent_parts(thread, key)
            return await self._send_missing_parts(thread, message, key, parts, sent_parts)
        receipt = await self._send_missing_parts(thread, message, key, parts, sent_parts | {0: ts})
        return Receipt(ref=replaces.ref, digest=receipt.digest)

    async def _stop_stream(self, channel: str, ts: str) -> None:
        """Stop streaming to a message, which cannot be updated before. Ignore the error if it is not being streamed."""
        with suppress(Permanent):
            await self.client.call("chat.stopStream", channel=channel, ts=ts)

    async def _call_with_fallback(
        self, method: str, rendered: RenderedMessage, message: Message, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        """Call the method with the rendered message; if Slack rejects its content, call it again with plain text."""
        try:
            blocks = list(rendered.blocks)
            return await self.client.call(method, text=rendered.text, blocks=blocks, **NO_PARSING, **arguments)
        except ContentRejected:
            arguments = {**NO_PARSING, **arguments}
            if message.card is None:
                blocks = list(plain_text_blocks(rendered))
                return await self.client.call(method, text=rendered.text, blocks=blocks, **arguments)
            plain = escape_hidden_except_whitespace(to_plain_text(message, self.capabilities))
            blocks = list(plain_text_sections(plain))
            text = escape_mrkdwn(plain, MAX_TEXT_LENGTH)
            return await self.client.call(method, text=text, blocks=blocks, **arguments)

    async def _make_receipt(self, destination: Destination, ts: str, parts: Sequence[RenderedMessage]) -> Receipt:
        """Return the receipt. A message outside a thread starts a conversation: replies arrive in its own thread."""
        ref = f"{destination.channel}:{ts}"
        conversation = None
        if not destination.thread_ts:
            conversation_key = f"{(await self.bot_identity.get()).installation_id}:{ref}"
            conversation = StartedConversation(address=Address(f"slack:{ref}"), conversation_key=conversation_key)
        return Receipt(ref=ref, digest=_parts_digest(parts), started=conversation)


def _thread_destination(address: Address) -> Destination | None:
    try:
        destination = parse_destination(address)
    except Permanent:
        return None
    return destination if isinstance(destination, Destination) and destination.thread_ts else None


def _parts_digest(parts: Sequence[RenderedMessage]) -> str:
    return text_digest(json.dumps([[rendered.text, rendered.blocks] for rendered in parts]))
