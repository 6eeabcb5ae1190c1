"""What is done once Slack was answered: nothing that must not be lost, for nobody tries it again."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field

from agents.errors import HandrailError
from bot.log import LogEvent, log


@dataclass
class BackgroundTasks:
    """Tasks of this process."""

    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def spawn(self, awaitable: Awaitable[object]) -> None:
        """Begin it; a failure is logged."""
        task = asyncio.ensure_future(_run_and_log(awaitable))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self, grace_seconds: float) -> None:
        """What runs may end within so many seconds."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


async def _run_and_log(awaitable: Awaitable[object]) -> None:
    try:
        await awaitable
    except HandrailError as error:
        log(LogEvent.BACKGROUND_TASK_FAILED, level="warning", channel="slack", error=error)
    except Exception as error:  # noqa: BLE001 - nobody waits for it
        log(LogEvent.BACKGROUND_TASK_FAILED, level="error", channel="slack", error=error)
