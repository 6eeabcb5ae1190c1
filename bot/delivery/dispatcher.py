"""Deliver outbox messages in this process, in order for each destination."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TypeVar

from agents.core.errors import Retryable
from agents.core.next_step import SendMessage
from agents.core.values import Address
from bot.delivery.sender import MessageSender
from bot.log import LogEvent, log
from bot.services.engine import CommitResult, Engine, new_messages
from bot.services.ids import Clock
from bot.services.retry import Sleep, next_retry_at
from storage.outbox import OutboxMessage, list_pending

T = TypeVar("T")


@dataclass
class OutboxDispatcher:
    """Queues outbox messages by destination and sends each queue in a task."""

    engine: Engine
    sender: MessageSender
    clock: Clock
    sleep: Sleep
    _queues: dict[Address, deque[OutboxMessage]] = field(default_factory=lambda: defaultdict(deque))
    _tasks: dict[Address, asyncio.Task[None]] = field(default_factory=dict)
    _is_stopping: bool = False
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
        self._is_stopping = True
        self._stop_event.set()
        running = list(self._tasks.values())
        if running:
            _, unfinished = await asyncio.wait(running, timeout=grace_seconds)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    def _enqueue(self, outbox_message: OutboxMessage) -> None:
        """Add a message to the queue of its destination. Updates go first, so that closed cards do not look open."""
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
            while queue and not self._is_stopping:
                await self._deliver(queue.popleft())
        finally:
            del self._tasks[to]
            if not queue:
                del self._queues[to]

    async def _deliver(self, outbox_message: OutboxMessage) -> None:
        """Send the message, then record the delivery.

        The two are retried separately, so a database error does not send the message again.
        """
        event = await self._retry(outbox_message, lambda: self.sender.send(outbox_message))
        if event is not None:
            await self._retry(outbox_message, lambda: self.sender.record(outbox_message, event))

    async def _retry(self, outbox_message: OutboxMessage, operation: Callable[[], Awaitable[T]]) -> T | None:
        """Repeat the operation until it succeeds. Return None on shutdown; the outbox then still has the message."""
        for attempt in count(1):
            try:
                return await operation()
            except Exception as error:  # noqa: BLE001 - it would end the task, and the rest of the queue would stay unsent
                log(
                    LogEvent.DELIVERY_RETRIED,
                    level="warning",
                    thread_id=outbox_message.thread_id,
                    error=error,
                    attempt=attempt,
                )
                retry_after = error.retry_after if isinstance(error, Retryable) else None
            await self.sleep(
                next_retry_at(attempt, self.clock.jitter(), self.clock.now(), retry_after), self._stop_event
            )
            if self._is_stopping:
                break
        return None
