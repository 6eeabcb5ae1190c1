"""Moving one thread on: perform what is wanted, as far as the thread goes (DESIGN §3.2)."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from agents.effects import RecoverTool, Work
from agents.next_step import work
from agents.state import ThreadState
from bot.activity import Activity
from bot.ids import Chance
from bot.perform import Performer


@dataclass(frozen=True)
class Advancer:
    """Whoever wakes up for a thread hands it to this."""

    performer: Performer
    chance: Chance
    activity: Activity = field(default_factory=Activity)

    async def advance(self, state: ThreadState, stopping: asyncio.Event) -> ThreadState:
        """The state where the thread waits for people, for the clock or for another worker.

        That one goes on when we stop. A call that was started since we came is also another's: we were given up for
        dead, and are not to look into what is done by whoever is alive.
        """
        first = True
        while not stopping.is_set() and (effect := startable(state, self.chance.now())) is not None:
            if isinstance(effect, RecoverTool) and not first:
                break
            self.activity.works(state, effect)
            state, first = await self.performer.perform(effect, state), False
        if not first:
            self.activity.rests(state)
        return state


def startable(state: ThreadState, now: datetime) -> Work | None:
    """The wanted piece of work, unless its time has not come: then the thread is looked at again at that time."""
    return next((w for w in work(state) if w.not_before is None or w.not_before <= now), None)
