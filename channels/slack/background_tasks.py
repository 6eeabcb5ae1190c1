"""Background tasks that outlive the handling of a Slack request, which is acknowledged without waiting for them.

A failed task is logged and not retried. Use one only for best-effort work such as ephemeral messages.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field

from agents.core.errors import HandrailError
from channels.base import Runtime


@dataclass
class BackgroundTasks:
    """Running background tasks of this process."""

    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def spawn(self, runtime: Runtime, awaitable: Awaitable[object]) -> None:
        """Start a task for the awaitable. If it fails, log the error."""
        task = asyncio.ensure_future(_run_and_log(runtime, awaitable))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self, grace_seconds: float) -> None:
        """Wait at most this many seconds for the running tasks, then cancel the rest."""
        if self._tasks:
            _, unfinished = await asyncio.wait(self._tasks, timeout=grace_seconds)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)


async def _run_and_log(runtime: Runtime, awaitable: Awaitable[object]) -> None:
    try:
        await awaitable
    except HandrailError as error:
        runtime.log("background_task_failed", level="warning", channel="slack", error=error)
    except Exception as error:  # noqa: BLE001 - no caller awaits the task
        runtime.log("background_task_failed", level="error", channel="slack", error=error)
