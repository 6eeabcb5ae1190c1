"""The courier: takes messages from the outbox to their channels, in order for each destination."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TypeVar

from agents.addresses import Address
from agents.effects import SendMessage
from agents.errors import Retryable
from bot.engine import Engine, Recorded, posted
from bot.handover import Handover
from bot.ids import Chance
from bot.log import Action, log
from bot.running import back_off
from bot.sleeping import Sleep
from storage.outbox import Parcel, waiting

T = TypeVar("T")


@dataclass
class Courier:
    """One queue per destination."""

    engine: Engine
    handover: Handover
    chance: Chance
    sleep: Sleep
    _queues: dict[Address, deque[Parcel]] = field(default_factory=lambda: defaultdict(deque))
    _tasks: dict[Address, asyncio.Task[None]] = field(default_factory=dict)
    _stopping: bool = False
    _stop_bell: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Take up what the last process left, of which some may have arrived."""
        for parcel in await self.engine.database.read(waiting):
            self._accept(replace(parcel, again=True))

    def notice(self, recorded: Recorded) -> None:
        thread_id = recorded.after.thread_id
        for effect in posted(recorded.after, recorded.before):
            self._drop(thread_id, effect)
        for effect in posted(recorded.before, recorded.after):
            self._accept(Parcel(thread_id, effect))

    async def stop(self, grace: float) -> None:
        """Hand over nothing new; what is on its way may arrive within `grace` seconds."""
        self._stopping = True
        self._stop_bell.set()
        running = list(self._tasks.values())
        if running:
            _, late = await asyncio.wait(running, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _accept(self, parcel: Parcel) -> None:
        """What corrects something goes first: words may wait for their turn, a settled card shall not ask on."""
        to = parcel.effect.to
        if parcel.effect.replacing is None:
            self._queues[to].append(parcel)
        else:
            self._queues[to].appendleft(parcel)
        if to not in self._tasks:
            self._tasks[to] = asyncio.create_task(self._serve(to), name=f"deliver to {to.scheme}")

    def _drop(self, thread_id: str, effect: SendMessage) -> None:
        """It was taken, or something else is said in its place. What is on its way already stays so."""
        waiting = self._queues.get(effect.to, deque())
        for parcel in [p for p in waiting if (p.thread_id, p.effect.key) == (thread_id, effect.key)]:
            waiting.remove(parcel)

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
        """Hand over, then write down: a message that was taken is not sent again because the database is busy."""
        event = await self._patiently(parcel, lambda: self.handover.hand_over(parcel))
        if event is not None:
            await self._patiently(parcel, lambda: self.handover.write_down(parcel, event))

    async def _patiently(self, parcel: Parcel, act: Callable[[], Awaitable[T]]) -> T | None:
        """Until it works, or we stop: then the outbox still has the message."""
        for attempt in count(1):
            try:
                return await act()
            except Exception as error:  # noqa: BLE001 - one message's trouble must not hold up the others for ever
                log(Action.MESSAGE_RETRIED, level="warning", thread_id=parcel.thread_id, error=error, attempt=attempt)
                asked = error.retry_after if isinstance(error, Retryable) else None
            await self.sleep(back_off(attempt, self.chance.jitter(), self.chance.now(), asked), self._stop_bell)
            if self._stopping:
                break
        return None
