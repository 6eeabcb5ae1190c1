"""What is done once Slack was answered: nothing that must not be lost, for nobody tries it again."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field

from agents.errors import HandrailError
from bot.log import Action, log


@dataclass
class Afterwards:
    """Tasks of this process."""

    _running: set[asyncio.Task[None]] = field(default_factory=set)

    def do(self, what: Awaitable[object]) -> None:
        """Begin it; a failure is logged."""
        task = asyncio.ensure_future(_done(what))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def stop(self, grace: float) -> None:
        """What runs may end within so many seconds."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


async def _done(what: Awaitable[object]) -> None:
    try:
        await what
    except HandrailError as error:
        log(Action.COURTESY_FAILED, level="warning", channel="slack", error=error)
    except Exception as error:  # noqa: BLE001 - nobody waits for it
        log(Action.COURTESY_FAILED, level="error", channel="slack", error=error)
