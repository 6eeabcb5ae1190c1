"""Runner that keeps a Socket Mode connection open, and opens another one if the SDK fails to renew it."""

import asyncio
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta

from bot.log import LogEvent, log
from bot.services.ids import Clock
from bot.services.retry import LoopSupervisor, Sleep, next_retry_at, sleep_until
from channels.slack.socket_mode import SocketModeConnection

CONNECT_TIMEOUT_SECONDS = 15.0
"""Limit for opening a connection."""

HEALTH_CHECK_INTERVAL = timedelta(seconds=10)
"""Interval between two checks of the connection."""

SHUTDOWN_GRACE_SECONDS = 3.0
"""Time to commit and acknowledge received envelopes during shutdown."""

RUNNER_NAME = "socket:slack"


@dataclass
class SocketModeRunner:
    """Runs one connection at a time. While no connection is open, `channel_errors` has an entry for it."""

    socket_factory: Callable[[], SocketModeConnection]
    channel_errors: MutableMapping[str, str]
    clock: Clock
    sleep: Sleep = sleep_until
    loops: LoopSupervisor = field(default_factory=LoopSupervisor)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.channel_errors[RUNNER_NAME] = "the Socket Mode connection is not open yet"
        self._task = asyncio.create_task(self.loops.supervise(RUNNER_NAME, self._run, self._stopping))

    async def stop(self) -> None:
        """Stop. Slack delivers an envelope again if it is not acknowledged within the grace period."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=SHUTDOWN_GRACE_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            attempt = 0 if await self._run_connection() else attempt + 1
            if not self._stopping.is_set():
                await self.sleep(next_retry_at(attempt + 1, self.clock.jitter(), self.clock.now()), self._stopping)

    async def _run_connection(self) -> bool:
        """Run a connection until it ends; return whether it could be opened."""
        socket = self.socket_factory()
        try:
            return await self._connect_and_monitor(socket)
        except Exception as error:  # noqa: BLE001 - after any error of the SDK, another connection is opened
            self.loops.failure_counts[RUNNER_NAME] += 1
            self._report_lost(error)
            return False
        finally:
            await socket.close()

    async def _connect_and_monitor(self, socket: SocketModeConnection) -> bool:
        """Open a connection and wait until it is lost or the runner stops; return whether it could be opened."""
        if not await socket.connect(CONNECT_TIMEOUT_SECONDS):
            self._report_lost()
            return False
        self.channel_errors.pop(RUNNER_NAME, None)
        log(LogEvent.SOCKET_OPENED, channel="slack")
        while not self._stopping.is_set():
            await self.sleep(self.clock.now() + HEALTH_CHECK_INTERVAL, self._stopping)
            if not self._stopping.is_set() and not await socket.is_connected():
                self._report_lost()
                break
        return True

    def _report_lost(self, error: Exception | None = None) -> None:
        self.channel_errors[RUNNER_NAME] = (
            "the Socket Mode connection is down; check SLACK_APP_TOKEN and whether this machine can reach Slack"
        )
        log(LogEvent.SOCKET_LOST, level="warning", channel="slack", error=error, trace=error)
