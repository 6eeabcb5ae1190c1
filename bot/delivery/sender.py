"""Send one outbox message on its channel and record the result, for both execution backends."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from agents.core.errors import ConfigurationError, DeliveryUncertain, Permanent, Retryable, Unavailable, WrongState
from agents.core.escalation import escalation_follow_ups
from agents.core.events import KnownEvent, MessageSent, MessageUndeliverable, RequestShown
from agents.core.messages import Receipt
from agents.core.people import People
from agents.core.state import ThreadState
from bot.log import LogEvent, log
from bot.services.delivery_events import (
    is_open_approval,
    personalize_message,
    sent_event,
    undeliverable_event,
    with_alternative_address,
)
from bot.services.engine import Engine, ExtraWrites
from bot.services.retry import Repeater
from channels.abilities import PrivacyAwareChannel
from channels.base import Channel
from storage.conversations import link_conversation
from storage.outbox import OutboxMessage

MISCONFIGURED_RETRY_SECONDS = 60.0
"""Delay before a misconfigured channel is tried again."""


@dataclass(frozen=True)
class MessageSender:
    """Sends outbox messages at least once and records each delivery in the event log exactly once.

    `channel_errors` maps `channel:SCHEME` to the configuration error that keeps the channel from sending.
    """

    engine: Engine
    channels: Mapping[str, Channel]
    repeater: Repeater
    people: People = field(default_factory=People)
    channel_errors: dict[str, str] = field(default_factory=dict)
    _uncertain_keys: set[str] = field(default_factory=set)
    _unrecorded_events: dict[str, KnownEvent] = field(default_factory=dict)
    """Events of messages that were sent but not yet recorded, by key: these must not be sent again."""

    async def deliver(self, outbox_message: OutboxMessage, stop_event: asyncio.Event) -> None:
        """Send the message and record the result. While the database is unavailable, only the recording is retried.

        Raises Retryable when the channel is unavailable, and StoreUnavailable when `stop_event` is set before the
        result was recorded.
        """
        key = _delivery_key(outbox_message)
        if key not in self._unrecorded_events:
            self._unrecorded_events[key] = await self._send(outbox_message)
        await self.repeater.retry(
            partial(self._record, outbox_message, self._unrecorded_events[key]),
            stop_event,
            on_error=partial(log_delivery_failure, outbox_message.thread_id),
            errors=Retryable,
        )
        del self._unrecorded_events[key]

    async def _send(self, outbox_message: OutboxMessage) -> KnownEvent:
        """Send the message and return the event to record. Raises Retryable when the channel is unavailable."""
        effect = outbox_message.effect
        channel = self.channels.get(effect.to.scheme)
        if channel is None:
            return undeliverable_event(
                effect, f"no channel is configured for {effect.to.scheme}", self.repeater.clock.now()
            )
        try:
            receipt = await self._send_on_channel(await self._personalize(outbox_message, channel), channel)
        except Permanent as error:
            log(
                LogEvent.MESSAGE_UNDELIVERABLE,
                level="warning",
                thread_id=outbox_message.thread_id,
                channel=effect.to.scheme,
            )
            return undeliverable_event(effect, str(error), self.repeater.clock.now())
        return sent_event(effect, receipt, self.repeater.clock.now())

    async def _personalize(self, outbox_message: OutboxMessage, channel: Channel) -> OutboxMessage:
        """Return the message as it may be shown at a private address. Raises StoreUnavailable."""
        effect = outbox_message.effect
        is_private = isinstance(channel, PrivacyAwareChannel) and channel.is_private(effect.to)
        if not (is_private and is_open_approval(effect.message)):
            return outbox_message
        state = await self.engine.load(outbox_message.thread_id)
        message = personalize_message(effect.message, state, effect.to, self.people, self.repeater.clock.now())
        return replace(outbox_message, effect=effect.model_copy(update={"message": message}))

    async def _send_on_channel(self, outbox_message: OutboxMessage, channel: Channel) -> Receipt:
        effect = outbox_message.effect
        key = _delivery_key(outbox_message)
        may_have_been_sent = outbox_message.may_have_been_sent or key in self._uncertain_keys
        try:
            receipt = await channel.send(
                effect.to, effect.message, key=key, replaces=effect.replaces, may_have_been_sent=may_have_been_sent
            )
        except ConfigurationError as error:
            self.channel_errors[f"channel:{channel.scheme}"] = str(error)
            log(
                LogEvent.CHANNEL_MISCONFIGURED,
                level="error",
                thread_id=outbox_message.thread_id,
                channel=channel.scheme,
            )
            raise Unavailable(str(error), retry_after=MISCONFIGURED_RETRY_SECONDS) from error
        except Permanent:
            self._uncertain_keys.discard(key)
            raise
        except Exception as error:
            if isinstance(error, DeliveryUncertain) or not isinstance(error, Retryable):
                self._uncertain_keys.add(key)
            raise
        self._uncertain_keys.discard(key)
        self.channel_errors.pop(f"channel:{channel.scheme}", None)
        return receipt

    async def _record(self, outbox_message: OutboxMessage, event: KnownEvent) -> None:
        """Record the delivery once, even if the message was sent more than once.

        If the message started a conversation, link that conversation to the thread.
        """

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
            await self.engine.apply(
                outbox_message.thread_id, decide, extra_writes=_link_started_conversation(outbox_message, event)
            )


def log_delivery_failure(thread_id: str, error: Exception, attempt: int) -> None:
    """Log a failed attempt to deliver a message of the thread."""
    log(LogEvent.DELIVERY_RETRIED, level="warning", thread_id=thread_id, error=error, attempt=attempt)


def _delivery_key(outbox_message: OutboxMessage) -> str:
    """Return a key that is unique in all threads; that of an effect is unique only within its thread."""
    return f"{outbox_message.thread_id}:{outbox_message.effect.key}"


def _link_started_conversation(outbox_message: OutboxMessage, event: KnownEvent) -> ExtraWrites | None:
    started = event.receipt.started if isinstance(event, MessageSent | RequestShown) else None
    if started is None:
        return None
    scheme, key = outbox_message.effect.to.scheme, started.conversation_key
    return lambda writes, commit: link_conversation(writes, scheme, (key,), commit.after.thread_id)
