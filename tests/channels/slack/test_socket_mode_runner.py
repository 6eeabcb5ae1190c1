"""The Socket Mode runner reopens a lost connection, and reports a problem while it has no connection."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from channels.slack.socket_mode import HEALTH_CHECK_SECONDS, RUNNER_NAME, SocketModeRunner
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
class FakeRuntime:
    """Fake of the facilities that the process gives a channel (`channels.base.Runtime`), with a fake clock.

    It counts how often a loop waits, and keeps the reported problems.
    """

    condition: Condition = field(default_factory=Condition)
    clock: FakeClock = field(default_factory=FakeClock)
    problems: dict[str, str] = field(default_factory=dict)
    wait_count: int = 0

    async def sleep(self, seconds: float, wake_event: asyncio.Event) -> None:
        self.wait_count += 1
        self.condition.notify_all()
        await self.clock.sleep(self.clock.now() + timedelta(seconds=seconds), wake_event)

    async def back_off(self, attempt: int, wake_event: asyncio.Event) -> None:
        await self.sleep(attempt, wake_event)

    async def supervise(self, name: str, loop: Callable[[], Awaitable[None]], stop_event: asyncio.Event) -> None:
        await loop()

    def report_problem(self, name: str, problem: str | None) -> None:
        self.problems.pop(name, None) if problem is None else self.problems.update({name: problem})

    def log(self, action: str, **fields: object) -> None:
        """Discard the line."""

    async def wait_for_waits(self, times: int) -> None:
        await self.condition.wait_until(
            lambda: self.wait_count >= times or None, lambda: f"waited {self.wait_count} times"
        )


@dataclass
class ConnectionSource:
    """Factory of fake connections."""

    connect_results: list[bool]
    runtime: FakeRuntime = field(default_factory=FakeRuntime)
    connections: list[FakeConnection] = field(default_factory=list)

    def create_connection(self, _: object) -> FakeConnection:
        self.connections.append(FakeConnection(self.connect_results.pop(0), self.runtime.condition))
        return self.connections[-1]

    def start_runner(self) -> SocketModeRunner:
        runner = SocketModeRunner(self.create_connection)  # type: ignore[arg-type]  # a fake with the methods that the runner uses
        runner.start(self.runtime)  # type: ignore[arg-type]  # as above
        return runner


async def test_failed_connection_is_retried() -> None:
    source = ConnectionSource([False, True])
    runner, runtime = source.start_runner(), source.runtime
    await runtime.wait_for_waits(1)
    assert "check SLACK_APP_TOKEN" in runtime.problems[RUNNER_NAME]
    assert source.connections[0].is_closed
    runtime.clock.advance(minutes=1)
    await runtime.wait_for_waits(2)
    assert RUNNER_NAME not in runtime.problems
    await runner.stop()
    assert source.connections[1].is_closed


async def test_lost_connection_is_replaced() -> None:
    source = ConnectionSource([True, True])
    runner, runtime = source.start_runner(), source.runtime
    await runtime.wait_for_waits(1)
    runtime.clock.advance(seconds=HEALTH_CHECK_SECONDS)
    await runtime.wait_for_waits(2)
    assert len(source.connections) == 1
    source.connections[0].is_up = False
    runtime.clock.advance(seconds=HEALTH_CHECK_SECONDS)
    await runtime.wait_for_waits(3)
    assert RUNNER_NAME in runtime.problems
    runtime.clock.advance(minutes=1)
    await runtime.wait_for_waits(4)
    assert (len(source.connections), source.connections[0].is_closed, RUNNER_NAME in runtime.problems) == (
        2,
        True,
        False,
    )
    await runner.stop()


async def test_stopped_runner_opens_no_connection() -> None:
    source = ConnectionSource([False])
    runner, runtime = source.start_runner(), source.runtime
    await runtime.wait_for_waits(1)
    await runner.stop()
    assert len(source.connections) == 1
