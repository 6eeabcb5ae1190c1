"""Handing one message to its channel, and writing down what came of it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from agents.errors import ConfigurationError, DeliveryUncertain, Permanent, Retryable, Unavailable, WrongState
from agents.escalation import escalation_follow_ups
from agents.events import KnownEvent, MessageSent, MessageUndeliverable, RequestShown
from agents.messages import Receipt
from agents.people import People
from agents.state import ThreadState
from bot.delivery_events import sent_event, undeliverable_event, with_alternative_address
from bot.engine import Engine, ExtraWrites
from bot.ids import Clock
from bot.log import LogEvent, log
from bot.private_cards import is_open_approval, personalize_message
from channels.base import Channel, PrivacyAwareChannel
from storage.conversations import link_conversation
from storage.outbox import OutboxMessage

MISCONFIGURED_RETRY_SECONDS = 60.0
"""Seconds until a channel is tried again that somebody has to put right."""


@dataclass(frozen=True)
class MessageSender:
    """A message is at least once handed over, and once told of in the log.

    `troubles` says, for `channel:SCHEME`, what somebody has to put right before it takes messages.
    """

    engine: Engine
    channels: Mapping[str, Channel]
    clock: Clock
    people: People = field(default_factory=People)
    channel_errors: dict[str, str] = field(default_factory=dict)
    _uncertain: set[str] = field(default_factory=set)

    async def send(self, outbox_message: OutboxMessage) -> KnownEvent:
        """What the log is to say. Raises Retryable when the channel cannot take it now."""
        effect = outbox_message.effect
        channel = self.channels.get(effect.to.scheme)
        if channel is None:
            return undeliverable_event(
                effect, f"no channel here takes messages to {effect.to.scheme}", self.clock.now()
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
            return undeliverable_event(effect, str(error), self.clock.now())
        return sent_event(effect, receipt, self.clock.now())

    async def _personalize(self, outbox_message: OutboxMessage, channel: Channel) -> OutboxMessage:
        """Raises StoreUnavailable."""
        effect = outbox_message.effect
        private = isinstance(channel, PrivacyAwareChannel) and channel.is_private(effect.to)
        if not (private and is_open_approval(effect.message)):
            return outbox_message
        state = await self.engine.load(outbox_message.thread_id)
        message = personalize_message(effect.message, state, effect.to, self.people, self.clock.now())
        return replace(outbox_message, effect=effect.model_copy(update={"message": message}))

    async def _send_on_channel(self, outbox_message: OutboxMessage, channel: Channel) -> Receipt:
        effect, key = (
            outbox_message.effect,
            f"{outbox_message.thread_id}:{outbox_message.effect.key}",
        )  # an effect's key is its thread's own
        again = outbox_message.maybe_sent or key in self._uncertain
        try:
            receipt = await channel.send(effect.to, effect.message, key=key, replaces=effect.replaces, maybe_sent=again)
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
            self._uncertain.discard(key)
            raise
        except Exception as error:
            if isinstance(error, DeliveryUncertain) or not isinstance(error, Retryable):
                self._uncertain.add(key)
            raise
        self._uncertain.discard(key)
        self.channel_errors.pop(f"channel:{channel.scheme}", None)
        return receipt

    async def record(self, outbox_message: OutboxMessage, event: KnownEvent) -> None:
        """Once, however often it was handed over; what people say at the place it began is the thread's from now on."""

        def decide(state: ThreadState) -> tuple[KnownEvent, ...]:
            if all(m.key != outbox_message.effect.key for m in state.pending_messages):
                return ()
            written = (
                with_alternative_address(event, state, self.people)
                if isinstance(event, MessageUndeliverable)
                else event
            )
            return (written, *escalation_follow_ups(state, written, self.people))

        with suppress(WrongState):  # a log we cannot read waits for a build that can
            await self.engine.apply(
                outbox_message.thread_id, decide, extra_writes=_link_started_conversation(outbox_message, event)
            )


def _link_started_conversation(outbox_message: OutboxMessage, event: KnownEvent) -> ExtraWrites | None:
    begun = event.receipt.started if isinstance(event, MessageSent | RequestShown) else None
    if begun is None:
        return None
    channel, place = outbox_message.effect.to.scheme, begun.conversation_key
    return lambda writes, recorded: link_conversation(writes, channel, (place,), recorded.after.thread_id)
