"""Rings whenever something has changed: whoever waits looks again then, and only then."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 20
"""Seconds after which whoever waits gives up; nothing waits that long unless it is broken."""

Found = TypeVar("Found")


class Bell:
    """One for a whole workspace: looking is cheap, and nobody has to know what exactly changed."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits."""
        self._rung.set()
        self._rung = asyncio.Event()

    async def whenever(self, look: Callable[[], Found | None]) -> Found:
        """What `look` finds, once it finds something, however long that takes."""
        while (found := look()) is None:
            await self._rung.wait()
        return found

    async def until(self, look: Callable[[], Found | None], missed: Callable[[], str]) -> Found:
        """The same, with bounded patience. Raises AssertionError with the words of `missed`."""
        try:
            async with asyncio.timeout(self.patience):
                return await self.whenever(look)
        except TimeoutError:
            raise AssertionError(missed()) from None
