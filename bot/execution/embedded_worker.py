"""Worker that runs Handrail threads in this process: different threads concurrently, one thread serially (ADR 0002)."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from agents.core.next_step import next_work
from agents.core.state import ThreadState
from bot.execution.thread_runner import ThreadRunner
from bot.execution.tools.limits import NoRoom
from bot.log import LogEvent, log
from bot.services.engine import CommitResult, Engine
from bot.services.ids import Clock
from bot.services.retry import Sleep, next_retry_at
from storage.schedule import list_unfinished_threads

MAX_WAIT_FOR_ROOM = timedelta(seconds=5)
"""Time after which a thread that waits for a busy tool checks it again, because the tool's calls may hang by then."""


@dataclass
class EmbeddedWorker:
    """Runs scheduled threads in tasks, at most `concurrency` at a time. The schedule is rebuilt from the database."""

    engine: Engine
    thread_runner: ThreadRunner
    clock: Clock
    sleep: Sleep
    concurrency: int = 64
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _rerun_states: dict[str, ThreadState | None] = field(default_factory=dict)
    _threads_in_slots: set[str] = field(default_factory=set)
    _stop_event: asyncio.Event = field(default_factory=asyncio.Event)
    _room_events: set[asyncio.Event] = field(default_factory=set)
    _slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.concurrency)

    async def start(self) -> None:
        """Schedule the threads that the previous process left unfinished."""
        for thread_id in await self.engine.database.read(list_unfinished_threads):
            self.schedule(thread_id)

    def on_commit(self, commit: CommitResult) -> None:
        """Schedule the thread of the commit if it has work."""
        if next_work(commit.after):
            self.schedule(commit.after.thread_id, commit.after)

    def schedule(self, thread_id: str, state: ThreadState | None = None) -> None:
        """Schedule a run of this thread, starting from `state` if given. If it is running, run it again afterwards.

        A state is kept only for threads with a worker slot, to save memory: many threads may wait for one.
        """
        if self._stop_event.is_set():
            return
        if thread_id in self._tasks:
            self._rerun_states[thread_id] = (
                state if thread_id in self._threads_in_slots or not self._slots.locked() else None
            )
            return
        initial_state = None if self._slots.locked() else state
        task = asyncio.create_task(self._run_task(thread_id, initial_state), name=f"advance {thread_id}")
        self._tasks[thread_id] = task

    async def stop(self, grace_seconds: float) -> None:
        """Start no thread. Let running ones end in time, then cancel them; the next start continues them."""
        self._stop_event.set()
        for room_event in self._room_events:
            room_event.set()
        running = list(self._tasks.values())
        if not running:
            return
        _, unfinished = await asyncio.wait(running, timeout=grace_seconds)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    async def _run_task(self, thread_id: str, state: ThreadState | None) -> None:
        try:
            await self._run_with_retries(thread_id, state)
        finally:
            del self._tasks[thread_id]
            if thread_id in self._rerun_states:
                self.schedule(thread_id, self._rerun_states.pop(thread_id))

    async def _run_with_retries(self, thread_id: str, state: ThreadState | None) -> None:
        """Run a thread, and retry later if that fails. The thread holds no worker slot while it waits."""
        for attempt in count(1):
            if await self._run_in_slot(thread_id, state, attempt):
                return
            state = None
            await self._wait_before_retry(attempt)
            if self._stop_event.is_set():
                return

    async def _run_in_slot(self, thread_id: str, state: ThreadState | None, attempt: int) -> bool:
        """Run a thread in a worker slot, released while its tool is busy. Return whether that succeeded."""
        while True:
            try:
                async with self._slots:
                    return self._stop_event.is_set() or await self._try_run(thread_id, state, attempt)
            except NoRoom as no_room:
                state = None
                await self._wait_for_room(no_room)

    async def _wait_for_room(self, no_room: NoRoom) -> None:
        with no_room.room_event() as room_event:
            self._room_events.add(room_event)
            await self.sleep(self.clock.now() + MAX_WAIT_FOR_ROOM, room_event)
            self._room_events.discard(room_event)

    async def _try_run(self, thread_id: str, state: ThreadState | None, attempt: int) -> bool:
        """Run a thread. Log any error and return False, so that the run is retried. Raises NoRoom."""
        self._threads_in_slots.add(thread_id)
        try:
            await self._run(state or await self.engine.load(thread_id))
        except NoRoom:
            raise
        except Exception as error:  # noqa: BLE001 - a failing thread must not end the worker
            log(LogEvent.WAKEUP_FAILED, level="error", thread_id=thread_id, error=error, trace=error, attempt=attempt)
            return False
        finally:
            self._threads_in_slots.discard(thread_id)
        return True

    async def _wait_before_retry(self, attempt: int) -> None:
        await self.sleep(next_retry_at(attempt, self.clock.jitter(), self.clock.now()), self._stop_event)

    async def _run(self, state: ThreadState) -> None:
        state = await self.thread_runner.run(state, self._stop_event)
        rerun_state = self._rerun_states.get(state.thread_id)
        if rerun_state is not None and rerun_state.version <= state.version:
            del self._rerun_states[state.thread_id]  # this run has already seen that state
