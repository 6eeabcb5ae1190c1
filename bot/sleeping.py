"""Sleeping until a time: the one place where the process waits for the clock, so that tests can turn it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

Sleep = Callable[[datetime | None, asyncio.Event], Awaitable[None]]
"""Sleep until the time, or until the bell rings; None sleeps until it rings."""


async def sleep_until(at: datetime | None, bell: asyncio.Event) -> None:
    """The real sleep: measured on the loop's own clock, which does not jump."""
    seconds = None if at is None else max(0.0, (at - datetime.now(at.tzinfo)).total_seconds())
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        return
