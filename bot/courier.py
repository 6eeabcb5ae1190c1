"""The courier: takes messages from the outbox to their channels, in order for each destination."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from agents.addresses import Address
from agents.effects import SendMessage
from agents.errors import Permanent, Retryable
from agents.events import KnownEvent, MessageSent, MessageUndeliverable, RequestShown
from agents.messages import Receipt
from agents.moment import Moment
from agents.state import ThreadState
from bot.engine import Engine, Recorded
from bot.ids import Chance
from bot.log import Action, log
from bot.running import back_off
from channels.base import Channel
from storage.outbox import Parcel, waiting


@dataclass
class Courier:
    """One queue per destination. A message is at least once handed over, and once told of in the log."""

    engine: Engine
    channels: Mapping[str, Channel]
    chance: Chance
    _queues: dict[Address, deque[Parcel]] = field(default_factory=lambda: defaultdict(deque))
    _tasks: dict[Address, asyncio.Task[None]] = field(default_factory=dict)
    _stopping: bool = False

    async def start(self) -> None:
        """Take up what the last process left."""
        for parcel in await self.engine.database.run(waiting):
            self._accept(parcel)

    def notice(self, recorded: Recorded) -> None:
        for effect in recorded.posted:
            self._accept(Parcel(recorded.after.thread_id, effect))

    async def stop(self, grace: float) -> None:
        """Hand over nothing new; what is on its way may arrive within `grace` seconds."""
        self._stopping = True
        running = list(self._tasks.values())
        if running:
            _, late = await asyncio.wait(running, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _accept(self, parcel: Parcel) -> None:
        to = parcel.effect.to
        self._queues[to].append(parcel)
        if to not in self._tasks:
            self._tasks[to] = asyncio.create_task(self._serve(to), name=f"deliver to {to.scheme}")

    async def _serve(self, to: Address) -> None:
        queue = self._queues[to]
        try:
            while queue and not self._stopping:
                await self._deliver(queue.popleft())
        finally:
            del self._tasks[to]
            if not queue:
                del self._queues[to]

    async def _deliver(self, parcel: Parcel) -> None:
        """Until it is delivered, undeliverable, or no longer wanted."""
        while not self._stopping:
            try:
                return await self._attempt(parcel)
            except Retryable as error:
                parcel = replace(parcel, attempts=parcel.attempts + 1)
                log(Action.MESSAGE_RETRIED, level="warning", thread_id=parcel.thread_id, error=type(error).__name__, attempt=parcel.attempts)
                await self._pause(parcel, error)
        return None

    async def _pause(self, parcel: Parcel, error: Retryable) -> None:
        now = self.chance.now()
        until = back_off(parcel.attempts, self.chance.jitter(), now, error.retry_after)
        await asyncio.sleep((until - now).total_seconds())

    async def _attempt(self, parcel: Parcel) -> None:
        effect = parcel.effect
        channel = self.channels.get(effect.to.scheme)
        try:
            if channel is None:
                raise Permanent(f"no channel here takes messages to {effect.to.scheme}")
            receipt = await channel.send(effect.to, effect.message, key=effect.key, replacing=effect.replacing)
        except Permanent as error:
            log(Action.MESSAGE_UNDELIVERABLE, level="warning", thread_id=parcel.thread_id, channel=effect.to.scheme)
            return await self._tell(parcel, undeliverable(effect, str(error), self.chance.moment()))
        await self._tell(parcel, delivered(effect, receipt, self.chance.moment()))
        return None

    async def _tell(self, parcel: Parcel, event: KnownEvent) -> None:
        """Write it down, unless the log has stopped wanting the message meanwhile and knows nothing of it."""

        def decide(state: ThreadState) -> tuple[KnownEvent, ...]:
            wanted = any(m.key == parcel.effect.key for m in state.outgoing)
            return (event,) if wanted or isinstance(event, RequestShown) else ()

        await self.engine.record(parcel.thread_id, decide)


def delivered(effect: SendMessage, receipt: Receipt, moment: Moment) -> RequestShown | MessageSent:
    """An open card that was taken is shown; anything else was sent."""
    actor = Address(f"channel:{effect.to.scheme}")
    card = effect.message.card
    if card is not None and card.status == "open":
        return RequestShown(at=moment.now, actor=actor, key=effect.key, request_id=card.request_id, to=effect.to, receipt=receipt)
    return MessageSent(at=moment.now, actor=actor, key=effect.key, to=effect.to, receipt=receipt)


def undeliverable(effect: SendMessage, reason: str, moment: Moment) -> MessageUndeliverable:
    actor = Address(f"channel:{effect.to.scheme}")
    return MessageUndeliverable(at=moment.now, actor=actor, key=effect.key, to=effect.to, reason=reason)
