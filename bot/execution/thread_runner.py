"""Run one Handrail thread: execute its effects until it has to wait (ADR 0002)."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from agents.core.next_step import RecoverTool, WorkEffect, next_work
from agents.core.state import ThreadState
from bot.delivery.feedback import StatusReporter
from bot.execution.effects import EffectExecutor
from bot.services.ids import Clock


@dataclass(frozen=True)
class ThreadRunner:
    """Runs threads for both execution backends."""

    executor: EffectExecutor
    clock: Clock
    status_reporter: StatusReporter = field(default_factory=StatusReporter)

    async def run(self, state: ThreadState, stop_event: asyncio.Event) -> ThreadState:
        """Execute effects until the thread waits for a person, a time or another worker, or `stop_event` is set.

        Return the last state. Recovery of a started call is executed only as the first effect: if a call appears as
        started later, another worker started it, because this process was considered dead. That worker is alive.
        """
        is_first = True
        while not stop_event.is_set() and (effect := next_runnable(state, self.clock.now())) is not None:
            if isinstance(effect, RecoverTool) and not is_first:
                break
            self.status_reporter.report_busy(state, effect)
            state, is_first = await self.executor.execute(effect, state), False
        if not is_first:
            self.status_reporter.report_idle(state)
        return state


def next_runnable(state: ThreadState, now: datetime) -> WorkEffect | None:
    """Return the next effect that may run now. An effect with a later `not_before` is left to a timer."""
    return next((w for w in next_work(state) if w.not_before is None or w.not_before <= now), None)
