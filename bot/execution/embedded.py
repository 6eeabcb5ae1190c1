"""Execution backend within one process. Its parts listen to commits and read unfinished work at start (ADR 0002).

Its worker runs different Handrail threads concurrently and one thread serially.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from agents.core.next_step import next_work
from agents.core.state import ThreadState
from bot.delivery.dispatcher import OutboxDispatcher
from bot.execution.backend import CLEANUP_INTERVAL, ExecutionBackend, delete_expired_rows
from bot.execution.inputs import InputProcessor
from bot.execution.thread_runner import ThreadRunner, TimerService, log_failed_run
from bot.execution.tools.limits import NoRoom
from bot.services.engine import CommitResult, Engine
from bot.services.retry import LoopSupervisor, Repeater, end_tasks
from storage.schedule import list_unfinished_threads

MAX_WAIT_FOR_ROOM = timedelta(seconds=5)
"""Time after which a thread that waits for a busy tool checks it again, because the tool's calls may hang by then."""


@dataclass
class EmbeddedWorker:
    """Runs scheduled threads in tasks, at most `concurrency` at a time. The schedule is rebuilt from the database."""

    engine: Engine
    thread_runner: ThreadRunner
    repeater: Repeater
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
        await end_tasks(self._tasks.values(), grace_seconds)

    async def _run_task(self, thread_id: str, state: ThreadState | None) -> None:
        try:
            await self._run_with_retries(thread_id, state)
        finally:
            del self._tasks[thread_id]
            if thread_id in self._rerun_states:
                self.schedule(thread_id, self._rerun_states.pop(thread_id))

    async def _run_with_retries(self, thread_id: str, state: ThreadState | None) -> None:
        """Run a thread, and retry later if that fails. The thread holds no worker slot while it waits."""
        states = [state]  # only the first attempt starts from the given state
        await self.repeater.retry(
            lambda: self._run_in_slot(thread_id, states.pop() if states else None),
            self._stop_event,
            on_error=partial(log_failed_run, thread_id),
        )

    async def _run_in_slot(self, thread_id: str, state: ThreadState | None) -> None:
        """Run a thread in a worker slot, released while its tool is busy. Raises any error of the run."""
        while True:
            try:
                async with self._slots:
                    if not self._stop_event.is_set():
                        await self._run(thread_id, state)
                    return
            except NoRoom as no_room:
                state = None
                await self._wait_for_room(no_room)

    async def _wait_for_room(self, no_room: NoRoom) -> None:
        with no_room.room_event() as room_event:
            self._room_events.add(room_event)
            await self.repeater.sleep(self.repeater.clock.now() + MAX_WAIT_FOR_ROOM, room_event)
            self._room_events.discard(room_event)

    async def _run(self, thread_id: str, state: ThreadState | None) -> None:
        self._threads_in_slots.add(thread_id)
        try:
            state = await self.thread_runner.run_thread(thread_id, self._stop_event, state)
        finally:
            self._threads_in_slots.discard(thread_id)
        rerun_state = self._rerun_states.get(thread_id)
        if rerun_state is not None and rerun_state.version <= state.version:
            del self._rerun_states[thread_id]  # this run has already seen that state


@dataclass
class EmbeddedBackend:
    """Runs the worker, the outbox dispatcher, the timers and the input processor in this process."""

    engine: Engine
    worker: EmbeddedWorker
    dispatcher: OutboxDispatcher
    timers: TimerService
    inputs: InputProcessor
    repeater: Repeater
    supervisor: LoopSupervisor
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Start the dispatcher before the worker, so that it receives each message of the worker exactly once."""
        await self.dispatcher.start()
        self.engine.listeners += [self.worker.on_commit, self.dispatcher.on_commit, self.timers.on_commit]
        await self.inputs.start()
        await self.worker.start()
        self._tasks.append(self.supervisor.start("timers", self.timers.run))
        self._tasks.append(self.supervisor.start("cleanup", self._run_cleanup))

    async def stop(self, grace_seconds: float) -> None:
        for task in self._tasks:
            task.cancel()
        parts = (self.worker, self.dispatcher, self.inputs)
        await asyncio.gather(*(part.stop(grace_seconds) for part in parts))

    @property
    def is_running(self) -> bool:
        """Whether the backend was started."""
        return self.worker.on_commit in self.engine.listeners

    @property
    def worker_ids(self) -> tuple[int, ...]:
        """An empty tuple: no other process works on this database."""
        return ()

    async def _run_cleanup(self) -> None:
        await self.repeater.every(
            CLEANUP_INTERVAL, lambda: delete_expired_rows(self.engine.database, self.repeater.clock.now())
        )


_: type[ExecutionBackend] = EmbeddedBackend
