"""Rings whenever something has changed: whoever waits looks again then, and only then."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

WAIT_TIMEOUT_SECONDS = 20
"""Seconds after which whoever waits gives up; nothing waits that long unless it is broken."""

Found = TypeVar("Found")


class Condition:
    """One for a whole workspace: looking is cheap, and nobody has to know what exactly changed."""

    def __init__(self, timeout_seconds: float = WAIT_TIMEOUT_SECONDS) -> None:
        self.timeout_seconds = timeout_seconds
        self._changed = asyncio.Event()

    def notify_all(self) -> None:
        """Wake everybody who waits."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for(self, find: Callable[[], Found | None]) -> Found:
        """What `look` finds, once it finds something, however long that takes."""
        while (found := find()) is None:
            await self._changed.wait()
        return found

    async def wait_until(self, find: Callable[[], Found | None], describe_failure: Callable[[], str]) -> Found:
        """The same, with bounded patience. Raises AssertionError with the words of `missed`."""
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await self.wait_for(find)
        except TimeoutError:
            raise AssertionError(describe_failure()) from None
