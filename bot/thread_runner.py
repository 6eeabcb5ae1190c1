"""Moving one thread on: perform what is wanted, as far as the thread goes (DESIGN §3.2)."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from agents.effects import RecoverTool, WorkEffect
from agents.next_step import next_work
from agents.state import ThreadState
from bot.effect_executor import EffectExecutor
from bot.ids import Clock
from bot.status_reporter import StatusReporter


@dataclass(frozen=True)
class ThreadRunner:
    """Whoever wakes up for a thread hands it to this."""

    executor: EffectExecutor
    clock: Clock
    status_reporter: StatusReporter = field(default_factory=StatusReporter)

    async def run(self, state: ThreadState, stop_event: asyncio.Event) -> ThreadState:
        """The state where the thread waits for people, for the clock or for another worker.

        That one goes on when we stop. A call that was started since we came is also another's: we were given up for
        dead, and are not to look into what is done by whoever is alive.
        """
        first = True
        while not stop_event.is_set() and (effect := next_runnable(state, self.clock.now())) is not None:
            if isinstance(effect, RecoverTool) and not first:
                break
            self.status_reporter.report_busy(state, effect)
            state, first = await self.executor.execute(effect, state), False
        if not first:
            self.status_reporter.report_idle(state)
        return state


def next_runnable(state: ThreadState, now: datetime) -> WorkEffect | None:
    """The wanted piece of work, unless its time has not come: then the thread is looked at again at that time."""
    return next((w for w in next_work(state) if w.not_before is None or w.not_before <= now), None)
