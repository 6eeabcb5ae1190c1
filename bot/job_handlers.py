"""What is done with a job: move a thread on, let the clock report to it, or deliver its messages.

A handler does not fail: a job that ends is gone, so whatever goes wrong leaves another one behind.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import count
from typing import TypeVar

from agents.addresses import ENGINE, Address
from agents.deadlines import due
from agents.errors import Retryable, StoreUnavailable
from agents.events import KnownEvent, ThreadPaused
from agents.next_step import work
from agents.state import ThreadState
from bot.advancing import Advancer, startable
from bot.endings import Endings
from bot.engine import Engine, Recorded
from bot.handover import Handover
from bot.housekeeping import forget_the_old
from bot.ids import Chance
from bot.jobs import advance_job, timer_job
from bot.log import Action, log
from bot.roster import Roster
from bot.running import back_off
from bot.sleeping import Sleep
from bot.tool_slots import NoRoom
from storage.jobs import HeldJob, Job, Later, defer
from storage.outbox import Parcel, waiting_for

T = TypeVar("T")

MOST_TAKE_OVERS = 5
"""Workers a thread may end before it is left alone."""
_POISONED = "its work ended several worker processes; look into their logs, then resume the thread"


@dataclass
class JobHandlers:
    """One handler for each queue."""

    engine: Engine
    advancer: Advancer
    handover: Handover
    roster: Roster
    chance: Chance
    sleep: Sleep
    endings: Endings = field(default_factory=Endings)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def advance(self, job: HeldJob) -> None:
        """Move a thread on as far as it goes. One that ended its worker again and again is paused."""
        thread_id, failed = job.arguments["thread"], _failures(job)
        try:
            if job.attempts >= MOST_TAKE_OVERS:
                await self._leave_alone(thread_id)
                return
            state = await self.engine.load(thread_id, settled=True)
            with self.endings.of(thread_id, job):
                state = await self.advancer.advance(state, self.stopping)
        except NoRoom:
            await self.defer(timer_job(thread_id, self._in_a_while(1), failed=failed))
        except Exception as error:  # noqa: BLE001 - one thread's trouble must not end the worker
            log(Action.WAKEUP_FAILED, level="error", thread_id=thread_id, error=error, trace=error, attempt=failed + 1)
            await self.defer(timer_job(thread_id, self._in_a_while(failed + 1), failed=failed + 1))
        else:
            if startable(state, self.chance.now()) is not None:
                await self.defer(advance_job(thread_id))  # we are stopping: somebody else goes on

    async def timer(self, job: HeldJob) -> None:
        """Report what has become due, or have a thread looked at whose time to try again has come."""
        thread_id, at = job.arguments["thread"], datetime.fromisoformat(job.arguments["at"])
        failed, now = _failures(job), self.chance.now()
        if now < at:  # the database's clock is ahead: the job waits there, and takes no slot here
            await self.defer(timer_job(thread_id, at, failed=failed, as_of=now))
            return
        try:
            recorded = await self._report(thread_id)
        except Exception as error:  # noqa: BLE001 - the same
            log(Action.WAKEUP_FAILED, level="error", thread_id=thread_id, error=error, trace=error, attempt=failed + 1)
            await self.defer(timer_job(thread_id, self._in_a_while(failed + 1), failed=failed + 1))
        else:
            if not recorded.events and work(recorded.after):
                await self.defer(advance_job(thread_id, failed=failed))

    async def deliver(self, job: HeldJob) -> None:
        """Hand over what a thread has for one destination. Raises Later: the others for it wait behind this job."""
        thread_id, to = job.arguments["thread"], Address(job.arguments["to"])
        try:
            async for parcel in self._waiting(thread_id, to):
                again = job.attempts > 0 or "again" in job.arguments
                event = await self.handover.hand_over(replace(parcel, again=again))
                await self._write_down(parcel, event)
        except Exception as error:
            log(Action.MESSAGE_RETRIED, level="warning", thread_id=thread_id, error=error, attempt=job.attempts + 1)
            asked = error.retry_after if isinstance(error, Retryable) else None
            raise Later(self._in_a_while(job.attempts + 1, asked)) from error

    async def _write_down(self, parcel: Parcel, event: KnownEvent) -> None:
        """Raises StoreUnavailable when we stop before: whoever has the job next looks for the message first."""
        if await self._patiently(partial(self._written_down, parcel, event)) is None:
            raise StoreUnavailable

    async def _written_down(self, parcel: Parcel, event: KnownEvent) -> KnownEvent:
        await self.handover.write_down(parcel, event)
        return event

    async def _waiting(self, thread_id: str, to: Address) -> AsyncIterator[Parcel]:
        """Each as it is when its turn comes: what one was taken for may change the next, or make it needless."""
        done = set[str]()
        while parcels := await self.engine.database.read(partial(waiting_for, thread_id=thread_id, to=to)):
            parcel = next((p for p in parcels if p.effect.key not in done), None)
            if parcel is None:
                return
            done.add(parcel.effect.key)
            yield parcel

    async def keep_house(self) -> None:
        """Forget what nobody asks for any more."""
        await self.engine.database.run(partial(forget_the_old, now=self.chance.now()))

    async def defer(self, *jobs: Job) -> None:
        """Have the jobs done, also when the database has to be waited for first."""
        await self._patiently(lambda: self.engine.database.write(lambda _, writes: defer(writes, jobs)))

    async def _report(self, thread_id: str) -> Recorded:
        now = self.chance.now()
        return await self.engine.record(thread_id, lambda state: due(state, now, self.roster.people))

    async def _leave_alone(self, thread_id: str) -> None:
        def decide(state: ThreadState) -> tuple[KnownEvent, ...]:
            if not work(state):
                return ()
            return (ThreadPaused(at=self.chance.now(), actor=ENGINE, reason=_POISONED),)

        await self.engine.record(thread_id, decide)

    async def _patiently(self, act: Callable[[], Awaitable[T]]) -> T | None:
        """Until it works, or we stop: then whoever takes the job over does it."""
        for attempt in count(1):
            try:
                return await act()
            except Retryable as error:
                log(Action.DATABASE_UNAVAILABLE, level="error", error=error, attempt=attempt)
            await self.sleep(self._in_a_while(attempt), self.stopping)
            if self.stopping.is_set():
                break
        return None

    def _in_a_while(self, attempt: int, asked: float | None = None) -> datetime:
        return back_off(attempt, self.chance.jitter(), self.chance.now(), asked)


def _failures(job: HeldJob) -> int:
    """How often in a row the thread could not be moved on; another build may tell that in another way."""
    try:
        return int(job.arguments.get("failed", "0"))
    except ValueError:
        return 0
