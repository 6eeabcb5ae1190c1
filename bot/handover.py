"""Handing one message to its channel, and writing down what came of it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from agents.errors import Doubtful, Misconfigured, Permanent, Retryable, Unreachable, WrongState
from agents.escalating import follow_up
from agents.events import KnownEvent, MessageSent, MessageUndeliverable, RequestShown
from agents.messages import Receipt
from agents.people import People
from agents.state import ThreadState
from bot.delivery import delivered, redirected, undeliverable
from bot.engine import Also, Engine
from bot.ids import Chance
from bot.log import Action, log
from bot.private_cards import for_its_reader, offers_approval
from channels.base import Channel, KnowsPrivacy
from storage.conversations import begin_conversation
from storage.outbox import Parcel

ALARM = 60.0
"""Seconds until a channel is tried again that somebody has to put right."""


@dataclass(frozen=True)
class Handover:
    """A message is at least once handed over, and once told of in the log.

    `troubles` says, for `channel:SCHEME`, what somebody has to put right before it takes messages.
    """

    engine: Engine
    channels: Mapping[str, Channel]
    chance: Chance
    people: People = field(default_factory=People)
    troubles: dict[str, str] = field(default_factory=dict)
    _doubted: set[str] = field(default_factory=set)

    async def hand_over(self, parcel: Parcel) -> KnownEvent:
        """What the log is to say. Raises Retryable when the channel cannot take it now."""
        effect = parcel.effect
        channel = self.channels.get(effect.to.scheme)
        if channel is None:
            return undeliverable(effect, f"no channel here takes messages to {effect.to.scheme}", self.chance.now())
        try:
            receipt = await self._sent(await self._for_its_reader(parcel, channel), channel)
        except Permanent as error:
            log(Action.MESSAGE_UNDELIVERABLE, level="warning", thread_id=parcel.thread_id, channel=effect.to.scheme)
            return undeliverable(effect, str(error), self.chance.now())
        return delivered(effect, receipt, self.chance.now())

    async def _for_its_reader(self, parcel: Parcel, channel: Channel) -> Parcel:
        """Raises StoreUnavailable."""
        effect = parcel.effect
        private = isinstance(channel, KnowsPrivacy) and channel.is_private(effect.to)
        if not (private and offers_approval(effect.message)):
            return parcel
        state = await self.engine.load(parcel.thread_id)
        message = for_its_reader(effect.message, state, effect.to, self.people, self.chance.now())
        return replace(parcel, effect=effect.model_copy(update={"message": message}))

    async def _sent(self, parcel: Parcel, channel: Channel) -> Receipt:
        effect, key = parcel.effect, f"{parcel.thread_id}:{parcel.effect.key}"  # an effect's key is its thread's own
        again = parcel.again or key in self._doubted
        try:
            receipt = await channel.send(effect.to, effect.message, key=key, replacing=effect.replacing, again=again)
        except Misconfigured as error:
            self.troubles[f"channel:{channel.scheme}"] = str(error)
            log(Action.CHANNEL_MISCONFIGURED, level="error", thread_id=parcel.thread_id, channel=channel.scheme)
            raise Unreachable(str(error), retry_after=ALARM) from error
        except Permanent:
            self._doubted.discard(key)
            raise
        except Exception as error:
            if isinstance(error, Doubtful) or not isinstance(error, Retryable):
                self._doubted.add(key)
            raise
        self._doubted.discard(key)
        self.troubles.pop(f"channel:{channel.scheme}", None)
        return receipt

    async def write_down(self, parcel: Parcel, event: KnownEvent) -> None:
        """Once, however often it was handed over; what people say at the place it began is the thread's from now on."""

        def decide(state: ThreadState) -> tuple[KnownEvent, ...]:
            if all(m.key != parcel.effect.key for m in state.outgoing):
                return ()
            written = redirected(event, state, self.people) if isinstance(event, MessageUndeliverable) else event
            return (written, *follow_up(state, written, self.people))

        with suppress(WrongState):  # a log we cannot read waits for a build that can
            await self.engine.record(parcel.thread_id, decide, also=_place_begun(parcel, event))


def _place_begun(parcel: Parcel, event: KnownEvent) -> Also | None:
    begun = event.receipt.begun if isinstance(event, MessageSent | RequestShown) else None
    if begun is None:
        return None
    channel, place = parcel.effect.to.scheme, begun.place
    return lambda writes, recorded: begin_conversation(writes, channel, (place,), recorded.after.thread_id)
