"""The worker: moves threads on. One thread is strictly serial, different threads go at once (DESIGN §3.2)."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from agents.next_step import next_work
from agents.state import ThreadState
from bot.engine import CommitResult, Engine
from bot.ids import Clock
from bot.log import LogEvent, log
from bot.sleep import Sleep
from bot.thread_runner import ThreadRunner
from bot.tool_runner import next_retry_at
from bot.tool_slots import NoRoom
from storage.schedule import list_unfinished_threads

MAX_WAIT_FOR_ROOM = timedelta(seconds=5)
"""A thread that waits for a busy tool looks again after this: meanwhile its calls may hang."""


@dataclass
class EmbeddedWorker:
    """Embedded wake-ups: a set of thread ids, rebuilt at start from the projection. A wake-up carries no state."""

    engine: Engine
    thread_runner: ThreadRunner
    clock: Clock
    sleep: Sleep
    concurrency: int = 64
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _rerun_states: dict[str, ThreadState | None] = field(default_factory=dict)
    _threads_in_slots: set[str] = field(default_factory=set)
    _stop_event: asyncio.Event = field(default_factory=asyncio.Event)
    _room_bells: set[asyncio.Event] = field(default_factory=set)
    _slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.concurrency)

    async def start(self) -> None:
        """Take up what the last process left."""
        for thread_id in await self.engine.database.read(list_unfinished_threads):
            self.schedule(thread_id)

    def on_commit(self, commit: CommitResult) -> None:
        """Look at a thread again when a commit left it something to do."""
        if next_work(commit.after):
            self.schedule(commit.after.thread_id, commit.after)

    def schedule(self, thread_id: str, state: ThreadState | None = None) -> None:
        """Have a thread looked at soon, as of `state` when known; one that is being looked at is looked at again.

        A state is kept only for a thread that has a slot: of those that wait there may be many.
        """
        if self._stop_event.is_set():
            return
        if thread_id in self._tasks:
            self._rerun_states[thread_id] = (
                state if thread_id in self._threads_in_slots or not self._slots.locked() else None
            )
            return
        known = None if self._slots.locked() else state
        self._tasks[thread_id] = asyncio.create_task(self._run_task(thread_id, known), name=f"advance {thread_id}")

    async def stop(self, grace_seconds: float) -> None:
        """Start nothing new; let what runs end within `grace` seconds, then leave it to the next start."""
        self._stop_event.set()
        for bell in self._room_bells:
            bell.set()
        running = list(self._tasks.values())
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=grace_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _run_task(self, thread_id: str, state: ThreadState | None) -> None:
        try:
            await self._run_with_retries(thread_id, state)
        finally:
            del self._tasks[thread_id]
            if thread_id in self._rerun_states:
                self.schedule(thread_id, self._rerun_states.pop(thread_id))

    async def _run_with_retries(self, thread_id: str, state: ThreadState | None) -> None:
        """Try a thread that cannot be moved now again later; it holds no slot meanwhile."""
        for attempt in count(1):
            if await self._has_advanced(thread_id, state, attempt):
                return
            state = None
            await self._wait_before_retry(attempt)
            if self._stop_event.is_set():
                return

    async def _has_advanced(self, thread_id: str, state: ThreadState | None, attempt: int) -> bool:
        """Return whether there is nothing left to do here. While its tool is busy the thread holds no slot."""
        while True:
            try:
                async with self._slots:
                    return self._stop_event.is_set() or await self._try_run(thread_id, state, attempt)
            except NoRoom as busy:
                state = None
                await self._wait_for_room(busy)

    async def _wait_for_room(self, busy: NoRoom) -> None:
        with busy.bell() as bell:
            self._room_bells.add(bell)
            await self.sleep(self.clock.now() + MAX_WAIT_FOR_ROOM, bell)
            self._room_bells.discard(bell)

    async def _try_run(self, thread_id: str, state: ThreadState | None, attempt: int) -> bool:
        """Whether the thread could be moved on; any trouble is in the log, and it is not lost. Raises NoRoom."""
        self._threads_in_slots.add(thread_id)
        try:
            await self._run(state or await self.engine.load(thread_id))
        except NoRoom:
            raise
        except Exception as error:  # noqa: BLE001 - one thread's trouble must not end the worker
            log(LogEvent.WAKEUP_FAILED, level="error", thread_id=thread_id, error=error, trace=error, attempt=attempt)
            return False
        finally:
            self._threads_in_slots.discard(thread_id)
        return True

    async def _wait_before_retry(self, attempt: int) -> None:
        await self.sleep(next_retry_at(attempt, self.clock.jitter(), self.clock.now()), self._stop_event)

    async def _run(self, state: ThreadState) -> None:
        state = await self.thread_runner.run(state, self._stop_event)
        news = self._rerun_states.get(state.thread_id)
        if news is not None and news.version <= state.version:
            del self._rerun_states[state.thread_id]  # we have been there already
