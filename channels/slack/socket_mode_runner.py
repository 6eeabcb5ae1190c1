"""Runner that keeps a Socket Mode connection open, and opens another one if the SDK fails to renew it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from channels.base import Runtime
from channels.slack.socket_mode import SocketModeConnection

CONNECT_TIMEOUT_SECONDS = 15.0
"""Limit for opening a connection."""

HEALTH_CHECK_SECONDS = 10.0
"""Interval between two checks of the connection."""

SHUTDOWN_GRACE_SECONDS = 2.0
"""Time to commit and acknowledge received envelopes during shutdown."""

RUNNER_NAME = "socket:slack"


@dataclass
class SocketModeRunner:
    """Runs one connection at a time, and reports a problem while no connection is open."""

    create_connection: Callable[[Runtime], SocketModeConnection]
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def start(self, runtime: Runtime) -> None:
        """Open the connection in a task."""
        runtime.report_problem(RUNNER_NAME, "the Socket Mode connection is not open yet")
        self._task = asyncio.create_task(runtime.supervise(RUNNER_NAME, partial(self._run, runtime), self._stopping))

    async def stop(self) -> None:
        """Stop. Slack delivers an envelope again if it is not acknowledged within the grace period."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=SHUTDOWN_GRACE_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, runtime: Runtime) -> None:
        attempt = 0
        while not self._stopping.is_set():
            attempt = 0 if await self._run_connection(runtime) else attempt + 1
            if not self._stopping.is_set():
                await runtime.back_off(attempt + 1, self._stopping)

    async def _run_connection(self, runtime: Runtime) -> bool:
        """Run a connection until it ends; return whether it could be opened. An error of the SDK is raised."""
        connection = self.create_connection(runtime)
        try:
            return await self._connect_and_monitor(connection, runtime)
        except Exception as error:
            _report_lost(runtime, error)
            raise
        finally:
            await connection.close()

    async def _connect_and_monitor(self, connection: SocketModeConnection, runtime: Runtime) -> bool:
        """Open a connection and wait until it is lost or the runner stops; return whether it could be opened."""
        if not await connection.connect(CONNECT_TIMEOUT_SECONDS):
            _report_lost(runtime)
            return False
        runtime.report_problem(RUNNER_NAME, None)
        runtime.log("socket_opened", channel="slack")
        while not self._stopping.is_set():
            await runtime.sleep(HEALTH_CHECK_SECONDS, self._stopping)
            if not self._stopping.is_set() and not await connection.is_connected():
                _report_lost(runtime)
                break
        return True


def _report_lost(runtime: Runtime, error: Exception | None = None) -> None:
    runtime.report_problem(
        RUNNER_NAME,
        "the Socket Mode connection is down; check SLACK_APP_TOKEN and whether this machine can reach Slack",
    )
    runtime.log("socket_lost", level="warning", channel="slack", error=error)
