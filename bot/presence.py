"""This process tells the others that it is there, and hears what they did to threads somebody follows here."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from agents.errors import HandrailError
from bot.engine import Engine
from bot.ids import Chance
from bot.log import Action, log
from bot.sleeping import Sleep
from storage.processes import Process, beat, leave
from storage.wakeups import versions

HEARTBEAT = timedelta(seconds=2)
NEWS = timedelta(seconds=0.2)
"""How late a follower learns what another process wrote. Nothing is asked while nobody follows anything."""


@dataclass
class Presence:
    """Runs in every process that shares its database with others."""

    engine: Engine
    process: Process
    chance: Chance
    sleep: Sleep
    _seen: Mapping[str, int] = field(default_factory=dict)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _never: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        await self._beat()
        self._tasks = [
            asyncio.create_task(self._again_and_again(self._beat, HEARTBEAT), name="heartbeat"),
            asyncio.create_task(self._again_and_again(self._listen, NEWS), name="follow"),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(HandrailError):  # whoever looks sees that we were not seen any more
            await self.engine.database.run(lambda connection: leave(connection, self.process.id))

    async def _again_and_again(self, act: Callable[[], Awaitable[None]], pause: timedelta) -> None:
        while True:
            await self.sleep(self.chance.now() + pause, self._never)
            try:
                await act()
            except HandrailError as error:
                log(Action.DATABASE_UNAVAILABLE, level="warning", error=error)

    async def _beat(self) -> None:
        now = self.chance.now()
        await self.engine.database.run(lambda connection: beat(connection, self.process, now))

    async def _listen(self) -> None:
        followed = await self.engine.followed()
        found = await self.engine.database.read(lambda connection: versions(connection, followed))
        for thread_id, version in found.items():
            if self._seen.get(thread_id) != version:
                self.engine.ring(thread_id)
        self._seen = found
