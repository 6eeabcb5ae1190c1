"""The connection of Socket Mode is opened anew whenever it is lost, and the health check knows while there is none."""

import asyncio
from dataclasses import dataclass, field

from bot.ids import Clock
from bot.slack.socket_mode_runner import HEALTH_CHECK_INTERVAL, RUNNER_NAME, SocketModeRunner
from tests.fakes.clock import FakeClock
from tests.fakes.slack.condition import Condition


@dataclass
class FakeConnection:
    """A connection that comes into being or does not, and lasts until it is cut."""

    can_connect: bool
    condition: Condition
    is_up: bool = False
    is_closed: bool = False

    async def connect(self, seconds: float) -> bool:
        self.is_up = self.can_connect
        return self.is_up

    async def is_connected(self) -> bool:
        return self.is_up

    async def close(self) -> None:
        self.is_closed, self.is_up = True, False
        self.condition.notify_all()


@dataclass
class ConnectionSource:
    """Hands out one connection after the other, and tells when somebody waits for the clock."""

    connect_results: list[bool]
    condition: Condition = field(default_factory=Condition)
    clock: FakeClock = field(default_factory=FakeClock)
    connections: list[FakeConnection] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    waits: int = 0

    def next_connection(self) -> FakeConnection:
        self.connections.append(FakeConnection(self.connect_results.pop(0), self.condition))
        return self.connections[-1]

    def build_runner(self) -> SocketModeRunner:
        chance = Clock(now=self.clock.now, jitter=lambda: 1.0)
        return SocketModeRunner(self.next_connection, self.problems, chance, self.sleep)  # type: ignore[arg-type]  # what it needs of one

    async def sleep(self, at: object, wake_event: asyncio.Event) -> None:
        self.waits += 1
        self.condition.notify_all()
        await self.clock.sleep(at, wake_event)  # type: ignore[arg-type]

    async def waited(self, times: int) -> None:
        await self.condition.wait_until(lambda: self.waits >= times or None, lambda: f"waited {self.waits} times")


async def test_a_connection_that_does_not_come_into_being_is_tried_again() -> None:
    exchange = ConnectionSource([False, True])
    listening = exchange.build_runner()
    listening.start()
    await exchange.waited(1)
    assert "SLACK_APP_TOKEN may be wrong" in exchange.problems[RUNNER_NAME]
    assert exchange.connections[0].is_closed
    exchange.clock.advance(minutes=1)
    await exchange.waited(2)
    assert RUNNER_NAME not in exchange.problems
    await listening.stop()
    assert exchange.connections[1].is_closed


async def test_a_connection_that_is_lost_is_followed_by_another() -> None:
    exchange = ConnectionSource([True, True])
    listening = exchange.build_runner()
    listening.start()
    await exchange.waited(1)
    exchange.clock.advance(seconds=HEALTH_CHECK_INTERVAL.total_seconds())
    await exchange.waited(2)
    assert len(exchange.connections) == 1
    exchange.connections[0].is_up = False
    exchange.clock.advance(seconds=HEALTH_CHECK_INTERVAL.total_seconds())
    await exchange.waited(3)
    assert RUNNER_NAME in exchange.problems
    exchange.clock.advance(minutes=1)
    await exchange.waited(4)
    assert (len(exchange.connections), exchange.connections[0].is_closed, RUNNER_NAME in exchange.problems) == (
        2,
        True,
        False,
    )
    await listening.stop()


async def test_nothing_is_opened_once_we_stop() -> None:
    exchange = ConnectionSource([False])
    listening = exchange.build_runner()
    listening.start()
    await exchange.waited(1)
    await listening.stop()
    assert len(exchange.connections) == 1
