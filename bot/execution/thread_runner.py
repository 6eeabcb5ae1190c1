"""Run one Handrail thread: execute its effects until it has to wait (ADR 0002)."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from agents.core.next_step import RecoverTool, WorkEffect, next_work
from agents.core.state import ThreadState
from bot.delivery.feedback import StatusReporter
from bot.execution.effects import EffectExecutor
from bot.log import LogEvent, log
from bot.services.engine import Engine
from bot.services.ids import Clock


@dataclass(frozen=True)
class ThreadRunner:
    """Runs threads for both execution backends."""

    engine: Engine
    executor: EffectExecutor
    clock: Clock
    status_reporter: StatusReporter = field(default_factory=StatusReporter)

    async def run_thread(
        self, thread_id: str, stop_event: asyncio.Event, state: ThreadState | None = None
    ) -> ThreadState:
        """Execute effects until the thread waits for a person, a time or another worker, or `stop_event` is set.

        `state` is the latest state, if known. Return the last state. Raises NoRoom when a tool has no slot, and errors
        of the database.

        Recovery of a started call is executed only as the first effect: if a call appears as started later, another
        worker started it, because this process was considered dead. That worker is alive.
        """
        if state is None:
            state = await self.engine.load(thread_id, wait_for_commits=True)
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


def log_failed_run(thread_id: str, error: Exception, attempt: int) -> None:
    """Log that running a thread, or firing its timers, failed with an unexpected error."""
    log(LogEvent.WAKEUP_FAILED, level="error", thread_id=thread_id, error=error, trace=error, attempt=attempt)
