"""This process tells the others that it is there, and hears what they did to threads somebody follows here."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from agents.errors import HandrailError
from bot.engine import Engine
from bot.heartbeat import Heartbeat
from bot.ids import Chance
from bot.loops import Loops
from bot.sleeping import Sleep
from storage.heartbeats import Pulse
from storage.processes import Process, leave
from storage.wakeups import versions

NEWS = timedelta(seconds=0.2)
"""How late a follower learns what another process wrote. Nothing is asked while nobody follows anything."""


def _no_workers() -> Sequence[int]:
    return ()


@dataclass
class Presence:
    """Runs in every process that shares its database with others. `workers` are the names under which it takes jobs."""

    engine: Engine
    process: Process
    chance: Chance
    sleep: Sleep
    loops: Loops
    workers: Callable[[], Sequence[int]] = _no_workers
    _seen: Mapping[str, int] = field(default_factory=dict)
    _pulse: Pulse | None = None
    _heartbeat: Heartbeat | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _never: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        self._pulse = Pulse.to(self.engine.database.url)
        self._heartbeat = Heartbeat(self.beat, lambda error: self.loops.failed("heartbeat", error))
        await asyncio.to_thread(self.beat)
        self._heartbeat.start()
        self._tasks = [self.loops.start("follow", self._follow)]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._heartbeat is not None:
            await asyncio.to_thread(self._heartbeat.stop)
        if self._pulse is not None:
            self._pulse.close()
        with suppress(HandrailError):  # others see that nothing was heard of this process any more
            await self.engine.database.run(lambda connection: leave(connection, self.process.id))

    def beat(self) -> None:
        """Say once that this process is there, in the thread of the caller. Raises StoreUnavailable."""
        if self._pulse is not None:
            self._pulse.beat(self.process, self.workers(), self.chance.now())

    async def _follow(self) -> None:
        while True:
            await self.sleep(self.chance.now() + NEWS, self._never)
            await self._listen()

    async def _listen(self) -> None:
        followed = await self.engine.followed()
        found = await self.engine.database.read(lambda connection: versions(connection, followed))
        for thread_id, version in found.items():
            if self._seen.get(thread_id) != version:
                self.engine.ring(thread_id)
        self._seen = found
