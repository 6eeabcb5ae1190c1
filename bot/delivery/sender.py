"""Delivery of outbox messages: send one on its channel and record the result, for both execution backends."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from agents.core.errors import (
    ConfigurationError,
    DeliveryUncertain,
    OptedOut,
    Permanent,
    Retryable,
    Unavailable,
    WrongState,
)
from agents.core.escalation import escalation_follow_ups
from agents.core.events import KnownEvent, MessageSent, MessageUndeliverable, RequestShown
from agents.core.messages import Receipt
from agents.core.people import People
from agents.core.state import ThreadState
from bot.delivery.budgets import SendBudgets
from bot.delivery.card_adaptation import CardAdapter
from bot.delivery.digests import Digest, DigestPlanner, cards_of, delivery_key
from bot.delivery.retry_limit import limit_retries
from bot.log import LogEvent, log
from bot.services.answer_links import AnswerLinks
from bot.services.contacts import ContactService
from bot.services.delivery_events import sent_event, undeliverable_event, with_alternative_address
from bot.services.engine import CommitResult, Engine, ExtraWrites
from bot.services.retry import Repeater
from channels.base import Channel, DigestChannel, ThreadAwareChannel
from channels.stored_input import ThreadContext
from storage.database.transactions import WriteBatch
from storage.inbox import link_conversation, link_free_keys, list_message_keys
from storage.outbox import OutboxMessage
from storage.sent_messages import SentRecord, record_sent

MISCONFIGURED_RETRY_SECONDS = 60.0
"""Delay before a misconfigured channel is tried again."""


@dataclass(frozen=True)
class DeliveryResult:
    """An outbox message, and the event that records that it was sent or cannot be delivered.

    `sent` is the record of a message of a metered channel.
    """

    outbox_message: OutboxMessage
    event: KnownEvent
    sent: SentRecord | None = None


@dataclass(frozen=True)
class MessageSender:
    """Sends outbox messages at least once and records each delivery in the event log exactly once.

    `channel_errors` is shared with the bot. Here the key `channel:SCHEME` has the configuration error that keeps a
    channel from sending. Cards get links to the pages of `answer_links`. `contacts` knows who has opted out.
    """

    engine: Engine
    channels: Mapping[str, Channel]
    repeater: Repeater
    contacts: ContactService
    people: People = field(default_factory=People)
    answer_links: AnswerLinks | None = None
    channel_errors: dict[str, str] = field(default_factory=dict)
    _uncertain_keys: set[str] = field(default_factory=set)
    _unrecorded: dict[str, DeliveryResult] = field(default_factory=dict)
    """Deliveries of messages that were sent but not yet recorded, by key: these must not be sent again."""

    async def deliver(self, outbox_message: OutboxMessage, stop_event: asyncio.Event) -> None:
        """Send the message and record the result. While the database is unavailable, only the recording is retried.

        A card may be sent in a digest, which is recorded as the delivery of all its cards. Raises NotDue if the
        message has to wait for others, Retryable when the channel is unavailable, and StoreUnavailable when
        `stop_event` is set before the result was recorded.
        """
        keys = [delivery_key(outbox_message)]
        if keys[0] not in self._unrecorded:
            deliveries = {delivery_key(one.outbox_message): one for one in await self._send(outbox_message)}
            self._unrecorded.update(deliveries)
            keys = list(deliveries)
        for key in keys:
            await self.repeater.retry(
                partial(self._record, self._unrecorded[key]),
                stop_event,
                on_error=partial(log_delivery_failure, self._unrecorded[key].outbox_message.thread_id),
                errors=Retryable,
            )
            del self._unrecorded[key]

    async def _send(self, outbox_message: OutboxMessage) -> tuple[DeliveryResult, ...]:
        """Send the message and return the deliveries to record. Raises Retryable when the channel is unavailable."""
        effect = outbox_message.effect
        channel = self.channels.get(effect.to.scheme)
        if channel is None:
            return (self._undeliverable(outbox_message, f"no channel is configured for {effect.to.scheme}"),)
        try:
            await self._budgets.check(outbox_message, channel)
        except Permanent as error:
            return (self._undeliverable(outbox_message, str(error)),)
        digest = await self._digests.plan(outbox_message, channel)
        if digest is not None and isinstance(channel, DigestChannel):
            with suppress(Permanent):  # for example, one card cannot be shown; each is then sent alone
                return await self._send_digest(digest, channel, channel)
        try:
            return (await self._send_alone(outbox_message, channel),)
        except OptedOut as error:
            await self.contacts.record_opt_out(effect.to)
            return (self._undeliverable(outbox_message, str(error)),)
        except Permanent as error:
            return (self._undeliverable(outbox_message, str(error)),)

    def _undeliverable(self, outbox_message: OutboxMessage, reason: str) -> DeliveryResult:
        effect, thread_id = outbox_message.effect, outbox_message.thread_id
        log(LogEvent.MESSAGE_UNDELIVERABLE, level="warning", thread_id=thread_id, channel=effect.to.scheme)
        return DeliveryResult(outbox_message, undeliverable_event(effect, reason, self.repeater.clock.now()))

    def _sent(self, outbox_message: OutboxMessage, receipt: Receipt) -> DeliveryResult:
        return DeliveryResult(outbox_message, sent_event(outbox_message.effect, receipt, self.repeater.clock.now()))

    async def _send_digest(
        self, digest: Digest, channel: Channel, digest_channel: DigestChannel
    ) -> tuple[DeliveryResult, ...]:
        """Send the digest and return the deliveries of its pending cards. The receipt of each has its own digest."""
        to = digest.pending[0].effect.to
        cards = await cards_of(digest, self._card_adapter, channel)
        send = partial(digest_channel.send_digest, to, cards, key=digest.key)
        receipt = await self._attempt(send, channel, digest.pending[0])
        await self._digests.block(to)
        digests = {card.request_id: card.digest for card in cards}
        return tuple(
            self._sent(one, receipt.model_copy(update={"digest": digests[one.effect.request_id or ""]}))
            for one in digest.pending
        )

    async def _send_alone(self, outbox_message: OutboxMessage, channel: Channel) -> DeliveryResult:
        effect, key = outbox_message.effect, delivery_key(outbox_message)
        thread_id = outbox_message.thread_id
        message = await self._card_adapter.adapt(
            effect.message, thread_id=thread_id, to=effect.to, channel=channel, delivery_key=key
        )
        may_have_been_sent = outbox_message.may_have_been_sent or key in self._uncertain_keys
        in_thread = await self._open_thread(outbox_message, channel)
        send = partial(
            in_thread.send, effect.to, message, key=key, replaces=effect.replaces, may_have_been_sent=may_have_been_sent
        )
        try:
            receipt = await self._attempt(send, channel, outbox_message)
        except Permanent:
            self._uncertain_keys.discard(key)
            raise
        except Exception as error:
            if isinstance(error, DeliveryUncertain) or not isinstance(error, Retryable):
                self._uncertain_keys.add(key)
            raise
        self._uncertain_keys.discard(key)
        is_new = receipt != effect.replaces  # a channel that cannot edit may keep the message that is shown
        sent = self._budgets.to_record(key, effect.to, message, channel) if is_new else None
        return replace(self._sent(outbox_message, receipt), sent=sent)

    async def _open_thread(self, outbox_message: OutboxMessage, channel: Channel) -> Channel:
        """Return the channel for the thread of the message if the thread matters to it. Raises StoreUnavailable."""
        if not isinstance(channel, ThreadAwareChannel):
            return channel
        thread_id, to = outbox_message.thread_id, outbox_message.effect.to
        state = await self.engine.load(thread_id)
        read = partial(list_message_keys, channel=to.scheme, thread_id=thread_id, address=to)
        references = await self.engine.database.read(read)
        return channel.for_thread(ThreadContext(thread_id, state.title, references, outbox_message.created_at))

    async def _attempt(
        self, send: Callable[[], Awaitable[Receipt]], channel: Channel, outbox_message: OutboxMessage
    ) -> Receipt:
        """Call `send` and return its receipt. A misconfigured channel is unavailable without limit."""
        try:
            receipt = await send()
        except ConfigurationError as error:
            self.channel_errors[f"channel:{channel.scheme}"] = str(error)
            log(
                LogEvent.CHANNEL_MISCONFIGURED,
                level="error",
                thread_id=outbox_message.thread_id,
                channel=channel.scheme,
            )
            raise Unavailable(str(error), retry_after=MISCONFIGURED_RETRY_SECONDS) from error
        except Retryable as error:
            age = self.repeater.clock.now() - outbox_message.created_at
            raise limit_retries(error, age, channel.capabilities.retry_for_seconds) from error
        self.channel_errors.pop(f"channel:{channel.scheme}", None)
        return receipt

    @property
    def _budgets(self) -> SendBudgets:
        return SendBudgets(self.contacts, self.repeater.clock.now)

    @property
    def _digests(self) -> DigestPlanner:
        return DigestPlanner(self.engine.database, self.repeater.clock.now)

    @property
    def _card_adapter(self) -> CardAdapter:
        return CardAdapter(self.engine, self.people, self.repeater.clock.now, self.answer_links)

    async def _record(self, delivery: DeliveryResult) -> None:
        """Record the delivery once, even if the message was sent more than once.

        If the message started a conversation, or replies to it carry other keys, link these to the thread.
        """
        outbox_message, event = delivery.outbox_message, delivery.event

        def decide(state: ThreadState) -> tuple[KnownEvent, ...]:
            if all(m.key != outbox_message.effect.key for m in state.pending_messages):
                return ()
            recorded = (
                with_alternative_address(event, state, self.people)
                if isinstance(event, MessageUndeliverable)
                else event
            )
            return (recorded, *escalation_follow_ups(state, recorded, self.people))

        with suppress(WrongState):  # events of a newer version: that version will record the delivery
            await self.engine.apply(outbox_message.thread_id, decide, extra_writes=_further_writes(delivery))


def log_delivery_failure(thread_id: str, error: Exception, attempt: int) -> None:
    """Log a failed attempt to deliver a message of the thread."""
    log(LogEvent.DELIVERY_RETRIED, level="warning", thread_id=thread_id, error=error, attempt=attempt)


def _further_writes(delivery: DeliveryResult) -> ExtraWrites | None:
    """Return the writes beside the event of a sent message.

    They link the conversation that the message started, and its free keys, to its thread, and record its price.
    """
    event, to = delivery.event, delivery.outbox_message.effect.to
    if not isinstance(event, MessageSent | RequestShown):
        return None
    receipt = event.receipt

    def write(writes: WriteBatch, commit: CommitResult) -> None:
        if receipt.started is not None:
            link_conversation(writes, to.scheme, (receipt.started.conversation_key,), commit.after.thread_id)
        link_free_keys(writes, to.scheme, receipt.conversation_keys, commit.after.thread_id, to, event.at)
        if delivery.sent is not None:
            record_sent(writes, delivery.sent)

    return write
