"""Brings to the bot what Slack has for it, and brings events again when the bot did not take them."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tests.fakes.clock import Clock
from tests.fakes.slack.bell import Bell
from tests.fakes.slack.parcel import Answer, Carrier, Parcel

DEADLINE = timedelta(seconds=3)
PAUSES = (timedelta(0), timedelta(minutes=1), timedelta(minutes=5))
"""Before each repetition of an event; nothing else is repeated."""
SOON = (timedelta(0), *[timedelta(seconds=0.2)] * 150)
"""The same for a bot that dies and is started again in real time: on no machine that takes too long."""
Delivery = asyncio.Task[Answer]


@dataclass
class Postman:
    """All time is the clock's: where it stands still, a slow bot is late when the test turns it, and not before."""

    clock: Clock
    carrier: Carrier
    bell: Bell
    brought: list[tuple[Parcel, Answer]] = field(default_factory=list)
    """Every attempt, in the order in which the answers came."""
    broken: list[BaseException] = field(default_factory=list)
    pauses: Sequence[timedelta] = PAUSES
    _deliveries: set[Delivery] = field(default_factory=set)
    _resting: dict[object, datetime | None] = field(default_factory=dict)
    """Until when a delivery waits; without a time it waits for a bot."""

    def send(self, parcel: Parcel) -> Delivery:
        """On its way from here on; the result is the last answer to it."""
        delivery = asyncio.create_task(self._deliver(parcel))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._delivered)
        return delivery

    async def quiet(self) -> None:
        """Until everything was brought, or waits for the clock or for a bot."""
        await self.bell.until(lambda: self._is_quiet() or None, lambda: "the bot has not answered everything")

    async def stop(self) -> None:
        """Whatever has not arrived is lost."""
        lost = tuple(self._deliveries)
        for delivery in lost:
            delivery.cancel()
        await asyncio.gather(*lost, return_exceptions=True)

    def _is_quiet(self) -> bool:
        return all(delivery in self._resting and not self._due(delivery) for delivery in self._deliveries)

    def _due(self, delivery: Delivery) -> bool:
        at = self._resting[delivery]
        return self.carrier.is_ready if at is None else at <= self.clock.now()

    def _delivered(self, delivery: Delivery) -> None:
        self._deliveries.discard(delivery)
        if not delivery.cancelled() and (error := delivery.exception()):
            self.broken.append(error)
        self.bell.ring()

    async def _deliver(self, parcel: Parcel) -> Answer:
        answer = await self._attempt(parcel)
        for number, pause in enumerate(self.pauses, start=1):
            if answer.taken or answer.wants_no_retry or parcel.kind != "events_api":
                break
            await self._rest(self.clock.now() + pause)
            answer = await self._attempt(replace(parcel, retry=number, reason=answer.reason))
        return answer

    async def _attempt(self, parcel: Parcel) -> Answer:
        if parcel.kind == "events_api":
            with self._at_rest(None):
                await self.bell.whenever(lambda: self.carrier.is_ready or None)
        answer = await self._in_time(parcel) if self.carrier.is_ready else Answer(reason="connection_failed", status=0)
        self.brought.append((parcel, answer))
        self.bell.ring()
        return answer

    async def _in_time(self, parcel: Parcel) -> Answer:
        back = asyncio.Event()
        carrying = asyncio.ensure_future(self.carrier.carry(parcel))
        carrying.add_done_callback(lambda _: back.set())
        try:
            await self.clock.sleep(self.clock.now() + DEADLINE, back)
            return carrying.result() if carrying.done() else Answer(reason="http_timeout", status=0)
        finally:
            carrying.cancel()

    async def _rest(self, until: datetime) -> None:
        with self._at_rest(until):
            await self.clock.sleep(until, asyncio.Event())

    @contextmanager
    def _at_rest(self, until: datetime | None) -> Iterator[None]:
        delivery = asyncio.current_task()
        self._resting[delivery] = until
        self.bell.ring()
        try:
            yield
        finally:
            del self._resting[delivery]
