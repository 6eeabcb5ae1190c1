"""Condition variable that wakes waiting tests when the fake workspace has changed."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

Found = TypeVar("Found")


class Condition:
    """Condition variable of a whole workspace: every change wakes all waiters, and each evaluates its own predicate."""

    def __init__(self, timeout_seconds: float = WAIT_TIMEOUT_SECONDS) -> None:
        self.timeout_seconds = timeout_seconds
        self._changed = asyncio.Event()

    def notify_all(self) -> None:
        """Wake all waiters."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for(self, find: Callable[[], Found | None]) -> Found:
        """Wait without a timeout until `find` returns a value; return it."""
        while (found := find()) is None:
            await self._changed.wait()
        return found

    async def wait_until(self, find: Callable[[], Found | None], describe_failure: Callable[[], str]) -> Found:
        """Wait until `find` returns a value; return it. Raises AssertionError with `describe_failure()` on timeout."""
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await self.wait_for(find)
        except TimeoutError:
            raise AssertionError(describe_failure()) from None
