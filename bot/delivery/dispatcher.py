"""Dispatcher of outbox messages in one process: replacements of earlier messages first, and the others in order.

On PostgreSQL, jobs do the same with one lock per destination.
"""

import asyncio
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field, replace

from agents.core.next_step import SendMessage
from agents.core.values import Address
from bot.delivery.digests import NotDue
from bot.delivery.sender import MessageSender, log_delivery_failure
from bot.services.engine import CommitResult, Engine, new_messages
from bot.services.retry import Repeater, end_tasks
from storage.outbox import OutboxMessage, list_pending


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
        thread_id, at = commit.after.thread_id, commit.after.updated_at or self.repeater.clock.now()
        no_longer_pending = new_messages(before=commit.after, after=commit.before)
        for effect in no_longer_pending:
            self._remove(thread_id, effect)
        for effect in new_messages(before=commit.before, after=commit.after):
            self._enqueue(OutboxMessage(thread_id, effect, at))

    async def stop(self, grace_seconds: float) -> None:
        """Start no delivery; let running ones end within `grace_seconds`, then cancel them."""
        self._stop_event.set()
        await end_tasks(self._tasks.values(), grace_seconds)

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
                await self._deliver_next(queue)
        finally:
            del self._tasks[to]
            if not queue:
                del self._queues[to]

    async def _deliver_next(self, queue: deque[OutboxMessage]) -> None:
        """Deliver one message, the first one at each attempt, and remove it from the queue.

        Meanwhile messages may have been added before it, or removed. Raises the last error on shutdown; the message
        stays.
        """
        attempt = 0
        while queue and not self._stop_event.is_set():
            message = queue[0]
            try:
                await self.sender.deliver(message, self._stop_event)
            except NotDue as not_due:
                await self.repeater.sleep(not_due.at, self._stop_event)
            except Exception as error:
                attempt += 1
                log_delivery_failure(message.thread_id, error, attempt)
                await self.repeater.back_off(attempt, self._stop_event, error)
                if self._stop_event.is_set():
                    raise
            else:
                with suppress(ValueError):  # the commit that recorded the delivery has removed it
                    queue.remove(message)
                return
