"""Process stored inputs with the plugins of their channels, and send the replies to them (ADR 0032).

Both execution backends use the runner. In one process, the processor runs it in a task per group of inputs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from agents.core.errors import ConfigurationError, Permanent, Retryable, StoreUnavailable, Unavailable
from agents.core.messages import Message
from bot.delivery.budgets import SendBudgets
from bot.log import LogEvent, log
from bot.services.inputs import InputService
from bot.services.retry import Repeater, end_tasks
from channels.base import Channel, ThreadAwareChannel
from channels.stored_input import InputReply, InputResult, StoredInput
from storage.raw_inputs import InputGroup, list_replies, list_unprocessed

ProcessInput = Callable[[StoredInput], Awaitable[InputResult]]

PROCESSING_TIMEOUT_SECONDS = 120.0
"""Limit for one attempt. A channel has shorter limits of its own; this one frees the group of an input that hangs."""
MISCONFIGURED_RETRY_SECONDS = 60.0
"""Delay before a misconfigured channel is tried again."""


@dataclass(frozen=True)
class InputRunner:
    """Runs the plugins' processing of stored inputs, at least once, and sends the replies.

    `processors` maps a channel to its processing; they are added when the plugins are known. `channels` are those that
    send, by scheme.
    """

    inputs: InputService
    channels: Mapping[str, Channel]
    repeater: Repeater
    budgets: SendBudgets
    processors: dict[str, ProcessInput] = field(default_factory=dict)

    async def process_group(self, group: InputGroup, stop_event: asyncio.Event) -> datetime | None:
        """Process the inputs of the group in their order. Return when its next attempt is due; None if none is left.

        An input that has to be tried again keeps the later ones of its group waiting. Raises StoreUnavailable.
        """
        while not stop_event.is_set():
            claimed = await self.inputs.claim_next(group)
            if not isinstance(claimed, StoredInput):
                return claimed
            await self._process(claimed, stop_event)
        return None

    async def _process(self, stored: StoredInput, stop_event: asyncio.Event) -> None:
        """Make one attempt and record its end. While the database is unavailable, only the recording is retried."""
        record: Callable[[], Awaitable[None]]
        try:
            async with asyncio.timeout(PROCESSING_TIMEOUT_SECONDS):
                result = await self._call_plugin(stored)
        except asyncio.CancelledError:
            with suppress(Retryable):
                await self.inputs.release(stored)
            raise
        except Permanent as error:
            record = partial(self.inputs.finish, stored, InputResult("quarantined", error.code.replace("_", " ")))
        except Exception as error:  # noqa: BLE001 - an input that cannot be processed must not stop the others
            record = _record_failure(self.inputs, stored, error)
        else:
            record = partial(self.inputs.finish, stored, result)
        on_error = partial(_log_failed_group, InputGroup(stored.raw.channel, stored.raw.group))
        await self.repeater.retry(record, stop_event, on_error=on_error, errors=Retryable)

    async def _call_plugin(self, stored: StoredInput) -> InputResult:
        process = self.processors.get(stored.raw.channel)
        if process is None:
            raise Unavailable(f"no channel in this process is called {stored.raw.channel}")
        return await process(stored)

    async def send_reply(self, input_id: str, stop_event: asyncio.Event, *, may_have_been_sent: bool) -> None:
        """Send the pending reply to an input, if there is one. While the database is away, only the recording repeats.

        Raises Retryable when the channel of the reply is unavailable, and StoreUnavailable when `stop_event` is set
        before the result was recorded.
        """
        found = await self.inputs.load_reply(input_id)
        if found is None:
            return
        reply, created_at = found
        channel = self.channels.get(reply.to.scheme)
        state, sent = "undeliverable", None
        if channel is not None:
            with suppress(Permanent):
                await self._send(input_id, reply, created_at, channel, may_have_been_sent=may_have_been_sent)
                state, sent = (
                    "sent",
                    self.budgets.to_record(f"input:{input_id}", reply.to, Message(text=reply.text), channel),
                )
        if state == "undeliverable":
            log(LogEvent.MESSAGE_UNDELIVERABLE, level="warning", channel=reply.to.scheme, key=input_id)
        record = partial(self.inputs.end_reply, input_id, state, sent)
        await self.repeater.retry(
            record, stop_event, on_error=partial(log_failed_reply, input_id), errors=StoreUnavailable
        )

    async def _send(
        self, input_id: str, reply: InputReply, created_at: datetime, channel: Channel, *, may_have_been_sent: bool
    ) -> None:
        """Send the reply. Raises Permanent if it cannot be delivered, Retryable if it may be tried again."""
        if reply.context is not None and isinstance(channel, ThreadAwareChannel):
            channel = channel.for_thread(replace(reply.context, ordered_at=created_at))
        message, key = Message(text=reply.text), f"input:{input_id}"
        await self.budgets.check_contact(reply.to, message, channel)
        try:
            await channel.send(reply.to, message, key=key, may_have_been_sent=may_have_been_sent)
        except ConfigurationError as error:
            log(LogEvent.CHANNEL_MISCONFIGURED, level="error", channel=reply.to.scheme)
            raise Unavailable(str(error), retry_after=MISCONFIGURED_RETRY_SECONDS) from error
        except Retryable as error:
            limit = channel.capabilities.retry_for_seconds
            if limit is not None and self.repeater.clock.now() - created_at >= timedelta(seconds=limit):
                raise Permanent(str(error)) from error
            raise


def _record_failure(inputs: InputService, stored: StoredInput, error: Exception) -> Callable[[], Awaitable[None]]:
    """Return the recording of a failed attempt: the input is tried again later.

    An unexpected error counts as an attempt without an end, as a crash does.
    """
    is_expected = isinstance(error, Retryable)
    log(
        LogEvent.INPUT_RETRIED,
        level="warning" if is_expected else "error",
        channel=stored.raw.channel,
        key=stored.id,
        attempt=stored.attempt,
        error=error,
        trace=None if is_expected else error,
    )
    retry_after = error.retry_after if isinstance(error, Retryable) else None
    return partial(inputs.retry, stored, retry_after, is_expected=is_expected)


MAX_CONCURRENT_GROUPS = 4


@dataclass
class InputProcessor:
    """Processes stored inputs in this process: each group in a task, at most MAX_CONCURRENT_GROUPS at a time."""

    runner: InputRunner
    _tasks: dict[InputGroup | str, asyncio.Task[None]] = field(default_factory=dict)
    _rerun_groups: set[InputGroup] = field(default_factory=set)
    _stop_event: asyncio.Event = field(default_factory=asyncio.Event)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_CONCURRENT_GROUPS))

    async def start(self) -> None:
        """Schedule the inputs and replies that the previous process left. Some of the replies may have been sent."""
        inputs = self.runner.inputs
        inputs.listeners.append(self.schedule)
        inputs.reply_listeners.append(partial(self._schedule_reply, may_have_been_sent=False))
        for _, group in await inputs.database.read(list_unprocessed):
            self.schedule(group)
        for reply in await inputs.database.read(list_replies):
            self._schedule_reply(reply.input_id, may_have_been_sent=True)

    def schedule(self, group: InputGroup) -> None:
        """Process the group in a task. If it is being processed, look for further inputs afterwards."""
        if group in self._tasks:
            self._rerun_groups.add(group)
        elif not self._stop_event.is_set():
            task = asyncio.create_task(self._run_group(group), name=f"inputs of {group.channel}")
            self._tasks[group] = task

    def _schedule_reply(self, input_id: str, *, may_have_been_sent: bool) -> None:
        if input_id not in self._tasks and not self._stop_event.is_set():
            send = self._send_reply(input_id, may_have_been_sent=may_have_been_sent)
            self._tasks[input_id] = asyncio.create_task(send, name=f"reply to {input_id}")

    async def stop(self, grace_seconds: float) -> None:
        """Begin no attempt; let running ones end within `grace_seconds`, then cancel them."""
        self._stop_event.set()
        await end_tasks(self._tasks.values(), grace_seconds)

    async def _run_group(self, group: InputGroup) -> None:
        try:
            while not self._stop_event.is_set():
                next_at = await self._process_with_retries(group)
                if next_at is None:
                    return
                await self.runner.repeater.sleep(next_at, self._stop_event)
        finally:
            del self._tasks[group]
            if group in self._rerun_groups:
                self._rerun_groups.discard(group)
                self.schedule(group)

    async def _process_with_retries(self, group: InputGroup) -> datetime | None:
        """Process the group, again after an error of the database. It takes a slot only while it works."""

        async def process_in_slot() -> datetime | None:
            async with self._slots:
                return await self.runner.process_group(group, self._stop_event)

        return await self.runner.repeater.retry(
            process_in_slot, self._stop_event, on_error=partial(_log_failed_group, group)
        )

    async def _send_reply(self, input_id: str, *, may_have_been_sent: bool) -> None:
        """Send a reply, again after an error. An error in between may have been after the message was sent."""
        flags = [may_have_been_sent]

        async def send() -> None:
            flag = flags[0]
            flags[0] = True
            await self.runner.send_reply(input_id, self._stop_event, may_have_been_sent=flag)

        try:
            await self.runner.repeater.retry(send, self._stop_event, on_error=partial(log_failed_reply, input_id))
        finally:
            del self._tasks[input_id]


def _log_failed_group(group: InputGroup, error: Exception, attempt: int) -> None:
    log(LogEvent.INPUT_RETRIED, level="error", channel=group.channel, attempt=attempt, error=error, trace=error)


def log_failed_reply(input_id: str, error: Exception, attempt: int) -> None:
    """Log a failed attempt to send the reply to an input."""
    log(LogEvent.DELIVERY_RETRIED, level="warning", key=input_id, error=error, attempt=attempt)
