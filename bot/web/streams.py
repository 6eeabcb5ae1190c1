"""The live streams of this process, so that they can all be ended when it stops."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Streams:
    """Who follows a thread now. `keep_alive` is seconds of silence after which a comment is sent."""

    keep_alive: float = 15.0
    ended: bool = False
    _bells: set[asyncio.Event] = field(default_factory=set)

    @contextmanager
    def joined(self, bell: asyncio.Event) -> Iterator[None]:
        """Have the bell rung when the streams end."""
        self._bells.add(bell)
        try:
            yield
        finally:
            self._bells.discard(bell)

    def end(self) -> None:
        """Let every stream say what it has and end. Those that come later end at once."""
        self.ended = True
        for bell in self._bells:
            bell.set()

    async def heard(self, bell: asyncio.Event) -> bool:
        """Whether the bell rings before it is time to show that we are still here."""
        try:
            async with asyncio.timeout(self.keep_alive):
                return await bell.wait()
        except TimeoutError:
            return False
