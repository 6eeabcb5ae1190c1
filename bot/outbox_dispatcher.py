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
from bot.engine import CommitResult, Engine, new_messages
from bot.ids import Clock
from bot.log import LogEvent, log
from bot.message_sender import MessageSender
from bot.sleep import Sleep
from bot.tool_runner import next_retry_at
from storage.outbox import OutboxMessage, list_pending

T = TypeVar("T")


@dataclass
class OutboxDispatcher:
    """One queue per destination."""

    engine: Engine
    sender: MessageSender
    clock: Clock
    sleep: Sleep
    _queues: dict[Address, deque[OutboxMessage]] = field(default_factory=lambda: defaultdict(deque))
    _tasks: dict[Address, asyncio.Task[None]] = field(default_factory=dict)
    _is_stopping: bool = False
    _stop_event: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Take up what the last process left, of which some may have arrived."""
        for parcel in await self.engine.database.read(list_pending):
            self._enqueue(replace(parcel, maybe_sent=True))

    def on_commit(self, commit: CommitResult) -> None:
        thread_id = commit.after.thread_id
        for effect in new_messages(commit.after, commit.before):
            self._remove(thread_id, effect)
        for effect in new_messages(commit.before, commit.after):
            self._enqueue(OutboxMessage(thread_id, effect))

    async def stop(self, grace_seconds: float) -> None:
        """Hand over nothing new; what is on its way may arrive within `grace` seconds."""
        self._is_stopping = True
        self._stop_event.set()
        running = list(self._tasks.values())
        if running:
            _, late = await asyncio.wait(running, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _enqueue(self, outbox_message: OutboxMessage) -> None:
        """What corrects something goes first: words may wait for their turn, a settled card shall not ask on."""
        to = outbox_message.effect.to
        if outbox_message.effect.replaces is None:
            self._queues[to].append(outbox_message)
        else:
            self._queues[to].appendleft(outbox_message)
        if to not in self._tasks:
            self._tasks[to] = asyncio.create_task(self._process_queue(to), name=f"deliver to {to.scheme}")

    def _remove(self, thread_id: str, effect: SendMessage) -> None:
        """It was taken, or something else is said in its place. What is on its way already stays so."""
        waiting = self._queues.get(effect.to, deque())
        for parcel in [p for p in waiting if (p.thread_id, p.effect.key) == (thread_id, effect.key)]:
            waiting.remove(parcel)

    async def _process_queue(self, to: Address) -> None:
        queue = self._queues[to]
        try:
            while queue and not self._is_stopping:
                await self._deliver(queue.popleft())
        finally:
            del self._tasks[to]
            if not queue:
                del self._queues[to]

    async def _deliver(self, outbox_message: OutboxMessage) -> None:
        """Hand over, then write down: a message that was taken is not sent again because the database is busy."""
        event = await self._retry(outbox_message, lambda: self.sender.send(outbox_message))
        if event is not None:
            await self._retry(outbox_message, lambda: self.sender.record(outbox_message, event))

    async def _retry(self, outbox_message: OutboxMessage, operation: Callable[[], Awaitable[T]]) -> T | None:
        """Until it works, or we stop: then the outbox still has the message."""
        for attempt in count(1):
            try:
                return await operation()
            except Exception as error:  # noqa: BLE001 - one message's trouble must not hold up the others for ever
                log(
                    LogEvent.MESSAGE_RETRIED,
                    level="warning",
                    thread_id=outbox_message.thread_id,
                    error=error,
                    attempt=attempt,
                )
                asked = error.retry_after if isinstance(error, Retryable) else None
            await self.sleep(next_retry_at(attempt, self.clock.jitter(), self.clock.now(), asked), self._stop_event)
            if self._is_stopping:
                break
        return None
