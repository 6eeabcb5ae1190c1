"""The connection of Socket Mode is opened anew whenever it is lost, and the health check knows while there is none."""

import asyncio
from dataclasses import dataclass, field

from bot.ids import Chance
from bot.slack.listening import LOOKS, NAME, Listening
from tests.fakes.clock import FakeClock
from tests.fakes.slack.bell import Bell


@dataclass
class Line:
    """A connection that comes into being or does not, and lasts until it is cut."""

    opens: bool
    bell: Bell
    up: bool = False
    closed: bool = False

    async def connect(self, seconds: float) -> bool:
        self.up = self.opens
        return self.up

    async def is_connected(self) -> bool:
        return self.up

    async def close(self) -> None:
        self.closed, self.up = True, False
        self.bell.ring()


@dataclass
class Exchange:
    """Hands out one connection after the other, and tells when somebody waits for the clock."""

    opening: list[bool]
    bell: Bell = field(default_factory=Bell)
    clock: FakeClock = field(default_factory=FakeClock)
    lines: list[Line] = field(default_factory=list)
    troubles: dict[str, str] = field(default_factory=dict)
    waits: int = 0

    def line(self) -> Line:
        self.lines.append(Line(self.opening.pop(0), self.bell))
        return self.lines[-1]

    def listening(self) -> Listening:
        chance = Chance(now=self.clock.now, jitter=lambda: 1.0)
        return Listening(self.line, self.troubles, chance, self.sleep)  # type: ignore[arg-type]  # what it needs of one

    async def sleep(self, at: object, bell: asyncio.Event) -> None:
        self.waits += 1
        self.bell.ring()
        await self.clock.sleep(at, bell)  # type: ignore[arg-type]

    async def waited(self, times: int) -> None:
        await self.bell.until(lambda: self.waits >= times or None, lambda: f"waited {self.waits} times")


async def test_a_connection_that_does_not_come_into_being_is_tried_again() -> None:
    exchange = Exchange([False, True])
    listening = exchange.listening()
    listening.start()
    await exchange.waited(1)
    assert "SLACK_APP_TOKEN may be wrong" in exchange.troubles[NAME]
    assert exchange.lines[0].closed
    exchange.clock.advance(minutes=1)
    await exchange.waited(2)
    assert NAME not in exchange.troubles
    await listening.stop()
    assert exchange.lines[1].closed


async def test_a_connection_that_is_lost_is_followed_by_another() -> None:
    exchange = Exchange([True, True])
    listening = exchange.listening()
    listening.start()
    await exchange.waited(1)
    exchange.clock.advance(seconds=LOOKS.total_seconds())
    await exchange.waited(2)
    assert len(exchange.lines) == 1
    exchange.lines[0].up = False
    exchange.clock.advance(seconds=LOOKS.total_seconds())
    await exchange.waited(3)
    assert NAME in exchange.troubles
    exchange.clock.advance(minutes=1)
    await exchange.waited(4)
    assert (len(exchange.lines), exchange.lines[0].closed, NAME in exchange.troubles) == (2, True, False)
    await listening.stop()


async def test_nothing_is_opened_once_we_stop() -> None:
    exchange = Exchange([False])
    listening = exchange.listening()
    listening.start()
    await exchange.waited(1)
    await listening.stop()
    assert len(exchange.lines) == 1
