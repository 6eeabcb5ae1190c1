"""The live streams of this process, so that they can all be ended when it stops."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class StreamRegistry:
    """Who follows a thread now. `keep_alive` is seconds of silence after which a comment is sent."""

    keep_alive_seconds: float = 15.0
    has_ended: bool = False
    _wake_events: set[asyncio.Event] = field(default_factory=set)

    @contextmanager
    def register(self, wake_event: asyncio.Event) -> Iterator[None]:
        """Have the bell rung when the streams end."""
        self._wake_events.add(wake_event)
        try:
            yield
        finally:
            self._wake_events.discard(wake_event)

    def end(self) -> None:
        """Let every stream say what it has and end. Those that come later end at once."""
        self.has_ended = True
        for bell in self._wake_events:
            bell.set()

    async def wait(self, wake_event: asyncio.Event) -> bool:
        """Whether the bell rings before it is time to show that we are still here."""
        try:
            async with asyncio.timeout(self.keep_alive_seconds):
                return await wake_event.wait()
        except TimeoutError:
            return False
