"""Delivery of Slack's requests to the bot, with retries of events that it did not accept."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tests.fakes.clock import Clock
from tests.fakes.slack.bot_request import BotRequest, BotResponse, Transport
from tests.fakes.slack.condition import Condition

RESPONSE_TIMEOUT = timedelta(seconds=3)
RETRY_DELAYS = (timedelta(0), timedelta(minutes=1), timedelta(minutes=5))
"""Delays before the retries of an event; other requests are not retried."""
FAST_RETRY_DELAYS = (timedelta(0), *[timedelta(seconds=0.2)] * 150)
"""Retry delays for a bot that is killed and restarted in real time, with a margin for slow machines."""
DeliveryTask = asyncio.Task[BotResponse]


@dataclass
class DeliveryService:
    """Delivers requests in tasks. Timeouts use the test's clock: a slow bot is late only when the test advances it."""

    clock: Clock
    transport: Transport
    condition: Condition
    attempts: list[tuple[BotRequest, BotResponse]] = field(default_factory=list)
    """All attempts, in the order of their responses."""
    errors: list[BaseException] = field(default_factory=list)
    retry_delays: Sequence[timedelta] = RETRY_DELAYS
    _tasks: set[DeliveryTask] = field(default_factory=set)
    _sleeping_until: dict[object, datetime | None] = field(default_factory=dict)
    """Time until which each sleeping delivery waits; None means that it waits for a bot."""

    def send(self, request: BotRequest) -> DeliveryTask:
        """Start the delivery; the task's result is the last response."""
        delivery = asyncio.create_task(self._deliver(request))
        self._tasks.add(delivery)
        delivery.add_done_callback(self._on_done)
        return delivery

    async def wait_until_quiet(self) -> None:
        """Wait until each delivery has finished, or waits for the clock or for a bot."""
        await self.condition.wait_until(
            lambda: self._is_quiet() or None, lambda: "the bot has not responded to all requests"
        )

    async def stop(self) -> None:
        """Cancel all unfinished deliveries."""
        cancelled = tuple(self._tasks)
        for delivery in cancelled:
            delivery.cancel()
        await asyncio.gather(*cancelled, return_exceptions=True)

    def _is_quiet(self) -> bool:
        return all(delivery in self._sleeping_until and not self._is_due(delivery) for delivery in self._tasks)

    def _is_due(self, task: DeliveryTask) -> bool:
        at = self._sleeping_until[task]
        return self.transport.is_ready if at is None else at <= self.clock.now()

    def _on_done(self, task: DeliveryTask) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.errors.append(error)
        self.condition.notify_all()

    async def _deliver(self, request: BotRequest) -> BotResponse:
        response = await self._attempt(request)
        for number, delay in enumerate(self.retry_delays, start=1):
            if response.is_accepted or response.has_no_retry_header or request.kind != "events_api":
                break
            await self._sleep_until(self.clock.now() + delay)
            response = await self._attempt(replace(request, retry_number=number, retry_reason=response.failure_reason))
        return response

    async def _attempt(self, request: BotRequest) -> BotResponse:
        if request.kind == "events_api":
            with self._mark_sleeping(None):
                await self.condition.wait_for(lambda: self.transport.is_ready or None)
        response = (
            await self._deliver_with_timeout(request)
            if self.transport.is_ready
            else BotResponse(failure_reason="connection_failed", status=0)
        )
        self.attempts.append((request, response))
        self.condition.notify_all()
        return response

    async def _deliver_with_timeout(self, request: BotRequest) -> BotResponse:
        finished = asyncio.Event()
        attempt = asyncio.ensure_future(self.transport.deliver(request))
        attempt.add_done_callback(lambda _: finished.set())
        try:
            await self.clock.sleep(self.clock.now() + RESPONSE_TIMEOUT, finished)
            return attempt.result() if attempt.done() else BotResponse(failure_reason="http_timeout", status=0)
        finally:
            attempt.cancel()

    async def _sleep_until(self, until: datetime) -> None:
        with self._mark_sleeping(until):
            await self.clock.sleep(until, asyncio.Event())

    @contextmanager
    def _mark_sleeping(self, until: datetime | None) -> Iterator[None]:
        delivery = asyncio.current_task()
        self._sleeping_until[delivery] = until
        self.condition.notify_all()
        try:
            yield
        finally:
            del self._sleeping_until[delivery]
