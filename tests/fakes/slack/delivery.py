"""Brings to the bot what Slack has for it, and brings events again when the bot did not take them."""

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
"""Before each repetition of an event; nothing else is repeated."""
FAST_RETRY_DELAYS = (timedelta(0), *[timedelta(seconds=0.2)] * 150)
"""The same for a bot that dies and is started again in real time: on no machine that takes too long."""
DeliveryTask = asyncio.Task[BotResponse]


@dataclass
class DeliveryService:
    """All time is the clock's: where it stands still, a slow bot is late when the test turns it, and not before."""

    clock: Clock
    transport: Transport
    condition: Condition
    attempts: list[tuple[BotRequest, BotResponse]] = field(default_factory=list)
    """Every attempt, in the order in which the answers came."""
    errors: list[BaseException] = field(default_factory=list)
    retry_delays: Sequence[timedelta] = RETRY_DELAYS
    _tasks: set[DeliveryTask] = field(default_factory=set)
    _sleeping_until: dict[object, datetime | None] = field(default_factory=dict)
    """Until when a delivery waits; without a time it waits for a bot."""

    def send(self, request: BotRequest) -> DeliveryTask:
        """On its way from here on; the result is the last answer to it."""
        delivery = asyncio.create_task(self._deliver(request))
        self._tasks.add(delivery)
        delivery.add_done_callback(self._on_done)
        return delivery

    async def wait_until_quiet(self) -> None:
        """Until everything was brought, or waits for the clock or for a bot."""
        await self.condition.wait_until(lambda: self._is_quiet() or None, lambda: "the bot has not answered everything")

    async def stop(self) -> None:
        """Whatever has not arrived is lost."""
        lost = tuple(self._tasks)
        for delivery in lost:
            delivery.cancel()
        await asyncio.gather(*lost, return_exceptions=True)

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
        answer = await self._attempt(request)
        for number, pause in enumerate(self.retry_delays, start=1):
            if answer.is_accepted or answer.has_no_retry_header or request.kind != "events_api":
                break
            await self._sleep_until(self.clock.now() + pause)
            answer = await self._attempt(replace(request, retry_number=number, retry_reason=answer.failure_reason))
        return answer

    async def _attempt(self, request: BotRequest) -> BotResponse:
        if request.kind == "events_api":
            with self._mark_sleeping(None):
                await self.condition.wait_for(lambda: self.transport.is_ready or None)
        answer = (
            await self._deliver_with_timeout(request)
            if self.transport.is_ready
            else BotResponse(failure_reason="connection_failed", status=0)
        )
        self.attempts.append((request, answer))
        self.condition.notify_all()
        return answer

    async def _deliver_with_timeout(self, request: BotRequest) -> BotResponse:
        back = asyncio.Event()
        carrying = asyncio.ensure_future(self.transport.deliver(request))
        carrying.add_done_callback(lambda _: back.set())
        try:
            await self.clock.sleep(self.clock.now() + RESPONSE_TIMEOUT, back)
            return carrying.result() if carrying.done() else BotResponse(failure_reason="http_timeout", status=0)
        finally:
            carrying.cancel()

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
