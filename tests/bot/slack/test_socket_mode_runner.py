"""The Socket Mode runner reopens a lost connection and reports an error while there is none."""

import asyncio
from dataclasses import dataclass, field

from bot.services.ids import Clock
from bot.slack.socket_mode_runner import HEALTH_CHECK_INTERVAL, RUNNER_NAME, SocketModeRunner
from tests.fakes.clock import FakeClock
from tests.fakes.slack.condition import Condition


@dataclass
class FakeConnection:
    """Fake connection that opens or fails, and lasts until `is_up` is reset."""

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
    """Factory of fake connections; it counts how often the runner waits for the clock."""

    connect_results: list[bool]
    condition: Condition = field(default_factory=Condition)
    clock: FakeClock = field(default_factory=FakeClock)
    connections: list[FakeConnection] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    wait_count: int = 0

    def next_connection(self) -> FakeConnection:
        self.connections.append(FakeConnection(self.connect_results.pop(0), self.condition))
        return self.connections[-1]

    def build_runner(self) -> SocketModeRunner:
        clock = Clock(now=self.clock.now, jitter=lambda: 1.0)
        return SocketModeRunner(self.next_connection, self.problems, clock, self.sleep)  # type: ignore[arg-type]  # a fake with the methods that the runner uses

    async def sleep(self, at: object, wake_event: asyncio.Event) -> None:
        self.wait_count += 1
        self.condition.notify_all()
        await self.clock.sleep(at, wake_event)  # type: ignore[arg-type]

    async def wait_for_waits(self, times: int) -> None:
        await self.condition.wait_until(
            lambda: self.wait_count >= times or None, lambda: f"waited {self.wait_count} times"
        )


async def test_failed_connection_is_retried() -> None:
    source = ConnectionSource([False, True])
    runner = source.build_runner()
    runner.start()
    await source.wait_for_waits(1)
    assert "check SLACK_APP_TOKEN" in source.problems[RUNNER_NAME]
    assert source.connections[0].is_closed
    source.clock.advance(minutes=1)
    await source.wait_for_waits(2)
    assert RUNNER_NAME not in source.problems
    await runner.stop()
    assert source.connections[1].is_closed


async def test_lost_connection_is_replaced() -> None:
    source = ConnectionSource([True, True])
    runner = source.build_runner()
    runner.start()
    await source.wait_for_waits(1)
    source.clock.advance(seconds=HEALTH_CHECK_INTERVAL.total_seconds())
    await source.wait_for_waits(2)
    assert len(source.connections) == 1
    source.connections[0].is_up = False
    source.clock.advance(seconds=HEALTH_CHECK_INTERVAL.total_seconds())
    await source.wait_for_waits(3)
    assert RUNNER_NAME in source.problems
    source.clock.advance(minutes=1)
    await source.wait_for_waits(4)
    assert (len(source.connections), source.connections[0].is_closed, RUNNER_NAME in source.problems) == (
        2,
        True,
        False,
    )
    await runner.stop()


async def test_stopped_runner_opens_no_connection() -> None:
    source = ConnectionSource([False])
    runner = source.build_runner()
    runner.start()
    await source.wait_for_waits(1)
    await runner.stop()
    assert len(source.connections) == 1
