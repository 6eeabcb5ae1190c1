"""Delivery of outbox messages: send one on its channel and record the result, for both execution backends.

In one process, a dispatcher delivers to each destination replacements first, and the other messages in order.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from agents.core.errors import ConfigurationError, DeliveryUncertain, Permanent, Retryable, Unavailable, WrongState
from agents.core.escalation import escalation_follow_ups
from agents.core.events import KnownEvent, MessageSent, MessageUndeliverable, RequestShown
from agents.core.messages import Receipt
from agents.core.next_step import SendMessage
from agents.core.people import People
from agents.core.state import ThreadState
from agents.core.values import Address
from bot.log import LogEvent, log
from bot.services.delivery_events import (
    is_open_approval,
    personalize_message,
    sent_event,
    undeliverable_event,
    with_alternative_address,
)
from bot.services.engine import CommitResult, Engine, ExtraWrites, new_messages
from bot.services.retry import Repeater
from channels.abilities import PrivacyAwareChannel
from channels.base import Channel
from storage.inbox import link_conversation
from storage.outbox import OutboxMessage, list_pending

MISCONFIGURED_RETRY_SECONDS = 60.0
"""Delay before a misconfigured channel is tried again."""


@dataclass(frozen=True)
class MessageSender:
    """Sends outbox messages at least once and records each delivery in the event log exactly once.

    `channel_errors` is shared with the bot. Here the key `channel:SCHEME` has the configuration error that keeps a
    channel from sending.
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
        """Return the message for the only reader of a private address. Raises StoreUnavailable.

        A reader who may not approve an open request gets its card without approval and edit.
        """
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


@dataclass
class OutboxDispatcher:
    """Queues outbox messages by destination and sends each queue in a task."""

    engine: Engine
    sender: MessageSender
    repeater: Repeater
    _queues: dict[Address, deque[OutboxMessage]] = field(default_factory=lambda: defaultdict(deque))
    _tasks: dict[Address, asyncio.Task[None]] = field(default_factory=dict)
    _stop_event: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Enqueue the messages that the previous process left. Some of them may have been sent."""
        for message in await self.engine.database.read(list_pending):
            self._enqueue(replace(message, may_have_been_sent=True))

    def on_commit(self, commit: CommitResult) -> None:
        thread_id = commit.after.thread_id
        no_longer_pending = new_messages(before=commit.after, after=commit.before)
        for effect in no_longer_pending:
            self._remove(thread_id, effect)
        for effect in new_messages(before=commit.before, after=commit.after):
            self._enqueue(OutboxMessage(thread_id, effect))

    async def stop(self, grace_seconds: float) -> None:
        """Start no delivery; let running ones end within `grace_seconds`, then cancel them."""
        self._stop_event.set()
        if running := list(self._tasks.values()):
            await asyncio.wait(running, timeout=grace_seconds)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _enqueue(self, outbox_message: OutboxMessage) -> None:
        """Add a message to the queue of its destination.

        Messages that replace another go first, so that closed cards do not look open.
        """
        to = outbox_message.effect.to
        if outbox_message.effect.replaces is None:
            self._queues[to].append(outbox_message)
        else:
            self._queues[to].appendleft(outbox_message)
        if to not in self._tasks:
            self._tasks[to] = asyncio.create_task(self._process_queue(to), name=f"deliver to {to.scheme}")

    def _remove(self, thread_id: str, effect: SendMessage) -> None:
        """Remove a message that is no longer pending from its queue. A delivery in progress continues."""
        queue = self._queues.get(effect.to, deque())
        for message in [m for m in queue if (m.thread_id, m.effect.key) == (thread_id, effect.key)]:
            queue.remove(message)

    async def _process_queue(self, to: Address) -> None:
        queue = self._queues[to]
        try:
            while queue and not self._stop_event.is_set():
                await self._deliver(queue.popleft())
        finally:
            del self._tasks[to]
            if not queue:
                del self._queues[to]

    async def _deliver(self, outbox_message: OutboxMessage) -> None:
        """Deliver a message, retrying until that succeeds. Raises the last error on shutdown; the message stays."""
        await self.repeater.retry(
            partial(self.sender.deliver, outbox_message, self._stop_event),
            self._stop_event,
            on_error=partial(log_delivery_failure, outbox_message.thread_id),
        )
