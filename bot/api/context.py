"""Dependencies that every route shares, and the registry of live streams."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from bot.bootstrap import Bot


@dataclass
class StreamRegistry:
    """Open streams. After `keep_alive_seconds` without an event a stream sends a comment."""

    keep_alive_seconds: float = 15.0
    has_ended: bool = False
    _wake_events: set[asyncio.Event] = field(default_factory=set)

    @contextmanager
    def register(self, wake_event: asyncio.Event) -> Iterator[None]:
        """Register a stream while the context is open: `end` sets its event."""
        self._wake_events.add(wake_event)
        try:
            yield
        finally:
            self._wake_events.discard(wake_event)

    def end(self) -> None:
        """Let every stream send its remaining events and end. Streams that start later end at once."""
        self.has_ended = True
        for wake_event in self._wake_events:
            wake_event.set()

    async def wait(self, wake_event: asyncio.Event) -> bool:
        """Wait for the event; return False when `keep_alive_seconds` pass first."""
        try:
            async with asyncio.timeout(self.keep_alive_seconds):
                return await wake_event.wait()
        except TimeoutError:
            return False


@dataclass(frozen=True)
class AppContext:
    """The bot behind this application and its live streams."""

    bot: Bot
    streams: StreamRegistry

    @property
    def schemes(self) -> tuple[str, ...]:
        """Address schemes of all channels of this process, such as `terminal`."""
        return tuple(self.bot.channels)


async def _get_context(request: Request) -> AppContext:
    context: AppContext = request.app.state.context
    return context


Context = Annotated[AppContext, Depends(_get_context)]
