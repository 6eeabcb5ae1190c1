"""Keeps a connection of Socket Mode open. The SDK renews it; when it hangs or gives up, another takes its place."""

import asyncio
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta

from bot.ids import Clock
from bot.log import LogEvent, log
from bot.loop_supervisor import LoopSupervisor
from bot.sleep import Sleep, sleep_until
from bot.tool_runner import next_retry_at
from channels.slack.socket_mode import SocketModeConnection

CONNECT_TIMEOUT_SECONDS = 15.0
"""Seconds for a connection to come into being."""

HEALTH_CHECK_INTERVAL = timedelta(seconds=10)
"""Between two looks whether it still holds."""

SHUTDOWN_GRACE_SECONDS = 3.0
"""Seconds for what came in to be committed and answered when we stop."""

RUNNER_NAME = "socket:slack"


@dataclass
class SocketModeRunner:
    """`troubles` says so while there is no connection."""

    socket_factory: Callable[[], SocketModeConnection]
    channel_errors: MutableMapping[str, str]
    clock: Clock
    sleep: Sleep = sleep_until
    loops: LoopSupervisor = field(default_factory=LoopSupervisor)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.channel_errors[RUNNER_NAME] = "it is not connected yet"
        self._task = asyncio.create_task(self.loops.supervise(RUNNER_NAME, self._run, self._stopping))

    async def stop(self) -> None:
        """What came in is answered, if that is soon; what is not, Slack sends again."""
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
        """Whether a connection could be opened, once it is over."""
        socket = self.socket_factory()
        try:
            return await self._connect_and_monitor(socket)
        except Exception as error:  # noqa: BLE001 - whatever the SDK meets, another connection is tried
            self.loops.failure_counts[RUNNER_NAME] += 1
            self._report_lost(error)
            return False
        finally:
            await socket.close()

    async def _connect_and_monitor(self, socket: SocketModeConnection) -> bool:
        """Whether it could be opened; if so, once it is lost or we stop."""
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
            "there is no connection; SLACK_APP_TOKEN may be wrong, or Slack does not answer"
        )
        log(LogEvent.SOCKET_LOST, level="warning", channel="slack", error=error, trace=error)
