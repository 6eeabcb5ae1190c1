"""The clock: deadlines live in the threads' projection, and one task sleeps until the earliest of them."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agents.deadlines import due, wake_at
from agents.errors import HandrailError
from bot.engine import Engine, Recorded
from bot.ids import Chance
from bot.log import Action, log
from bot.roster import Roster
from bot.sleeping import Sleep
from bot.worker import Worker
from storage.wakeups import due_threads, next_wake

RECOVERY = timedelta(seconds=2)
SOON = timedelta(seconds=1)
"""What is due and yet not done is being done: look again after this."""


@dataclass
class Clock:
    """Reports what has become due: reminders, escalations, expiries, timers, and retries whose time has come."""

    engine: Engine
    roster: Roster
    worker: Worker
    chance: Chance
    sleep: Sleep
    _bell: asyncio.Event = field(default_factory=asyncio.Event)
    _until: datetime | None = None

    def notice(self, recorded: Recorded) -> None:
        """Wake up when a commit brings an earlier deadline than the one slept for."""
        at = wake_at(recorded.after)
        if at is not None and (self._until is None or at < self._until):
            self._bell.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                self._bell.clear()
                self._until = await self._tick()
            except Exception as error:  # noqa: BLE001 - without a clock no deadline would ever be met again
                log(Action.DATABASE_UNAVAILABLE, level="error", error=error)
                self._until = self.chance.now() + RECOVERY
            await self.sleep(self._until, self._bell)

    async def _tick(self) -> datetime | None:
        """Report all that is due, and tell when to look again."""
        now = self.chance.now()
        for thread_id in await self.engine.database.read(lambda connection: due_threads(connection, now)):
            await self._report(thread_id, now)
        following = await self.engine.database.read(next_wake)
        return following if following is None or following > now else now + SOON

    async def _report(self, thread_id: str, now: datetime) -> None:
        """One thread that cannot be moved now holds up no other; it stays due."""
        try:
            recorded = await self.engine.record(thread_id, lambda state: due(state, now, self.roster.people))
        except HandrailError as error:
            log(Action.WAKEUP_FAILED, level="error", thread_id=thread_id, error=error)
        else:
            if not recorded.events:
                self.worker.wake(thread_id)
