"""Limits of concurrent tool calls, and OS threads for them. A tool that hangs cannot use up the limit of all tools."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from agents.core.errors import Retryable
from bot.execution.tools.calls import ToolTimeout


class CallNotStarted(Retryable):
    """The call was not started, so it had no effect."""

    code = "not_begun"


class NoRoom(Exception):
    """Too many calls of the tool run or wait, but none hangs: try again when `room_event` is set."""

    def __init__(self, room_events: "deque[asyncio.Event]") -> None:
        super().__init__()
        self._room_events = room_events

    @contextmanager
    def room_event(self) -> Iterator[asyncio.Event]:
        """Yield an event that is set when there is room for one call. Events are set in the order of their creation."""
        event = asyncio.Event()
        self._room_events.append(event)
        try:
            yield event
        finally:
            with suppress(ValueError):
                self._room_events.remove(event)


class ToolsBusy(CallNotStarted):
    """The limit of the tool or of all tools is reached."""


@dataclass
class ToolLoad:
    """Numbers of calls of one tool.

    `waiting`: not started yet. `hanging`: exceeded their timeout and still run; they are part of `running`.
    `timeout_count`: all calls since the start of the process that exceeded their timeout.
    """

    running: int = 0
    waiting: int = 0
    hanging: int = 0
    timeout_count: int = 0


@dataclass
class ToolCallLimits:
    """Allows `max_total` calls at a time and `max_per_tool` of one tool; `max_waiting_per_tool` more of it may wait."""

    max_total: int
    max_per_tool: int
    max_waiting_per_tool: int
    loads: dict[str, ToolLoad] = field(default_factory=lambda: defaultdict(ToolLoad))
    _tool_semaphores: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    _room_events: dict[str, "deque[asyncio.Event]"] = field(default_factory=lambda: defaultdict(deque))
    _total_semaphore: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._total_semaphore = asyncio.Semaphore(self.max_total)

    def has_room(self, name: str) -> bool:
        """Return whether a call of the tool may start or wait. It never waits for calls that hang."""
        load = self.loads[name]
        return not self.is_stuck(name) and load.running + load.waiting < self.max_per_tool + self.max_waiting_per_tool

    def require_room(self, name: str) -> None:
        """Raise NoRoom when the tool is busy but none of its calls hangs: it is worth waiting for them."""
        if not self.has_room(name) and not self.loads[name].hanging and not self.is_exhausted:
            raise NoRoom(self._room_events[name])

    def is_stuck(self, name: str) -> bool:
        """Return whether calls that hang use up the limit of the tool, or of all tools."""
        return self.loads[name].hanging >= self.max_per_tool or self.is_exhausted

    @property
    def is_exhausted(self) -> bool:
        """Whether no tool can run because calls that hang use up the limit of all tools."""
        return self.hanging >= self.max_total

    @property
    def hanging(self) -> int:
        return sum(load.hanging for load in self.loads.values())

    @property
    def active_loads(self) -> Mapping[str, ToolLoad]:
        """The loads of tools that are running or have exceeded their timeout."""
        return {name: load for name, load in self.loads.items() if load.running or load.timeout_count}

    async def acquire(self, name: str) -> None:
        """Wait until one more call of the tool may run, and count it as running."""
        load = self.loads[name]
        load.waiting += 1
        tool_semaphore = self._tool_semaphores.setdefault(name, asyncio.Semaphore(self.max_per_tool))
        try:
            await tool_semaphore.acquire()
            try:
                await self._total_semaphore.acquire()
            except BaseException:
                tool_semaphore.release()
                raise
        finally:
            load.waiting -= 1
        load.running += 1

    def release(self, name: str) -> None:
        """Count a call as ended and notify the first waiter for room."""
        self.loads[name].running -= 1
        self._tool_semaphores[name].release()
        self._total_semaphore.release()
        if self._room_events[name]:
            self._room_events[name].popleft().set()

    @asynccontextmanager
    async def running_call(self, name: str, timeout_seconds: float) -> AsyncIterator[None]:
        """Count a call as running for the duration of the block. Raises ToolsBusy."""
        await self.acquire_within(name, timeout_seconds)
        try:
            yield
        finally:
            self.release(name)

    async def acquire_within(self, name: str, timeout_seconds: float) -> None:
        """Wait until one more call may run, and count it as running. Raises ToolsBusy after the timeout."""
        if self.is_stuck(name):
            raise ToolsBusy(self.describe_shortage(name))
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.acquire(name)
        except TimeoutError as error:
            raise ToolsBusy(self.describe_shortage(name)) from error

    def describe_shortage(self, name: str) -> str:
        """Return why the tool cannot run."""
        load = self.loads[name]
        if not load.hanging and not self.is_exhausted:
            return f"{name}: {load.running} calls are already running; this call was not started"
        return f"{name}: {load.hanging} earlier calls have timed out but still run; this call was not started"


MAX_OS_THREADS = 64
MAX_OS_THREADS_PER_TOOL = 16
MAX_WAITING_PER_TOOL = 8

T = TypeVar("T")


def create_thread_limits() -> ToolCallLimits:
    """Return the limits of calls in OS threads of this process."""
    return ToolCallLimits(MAX_OS_THREADS, MAX_OS_THREADS_PER_TOOL, MAX_WAITING_PER_TOOL)


@dataclass(frozen=True)
class ToolThreadPool:
    """Runs functions of tools in OS threads, each tool in a bounded share of them."""

    limits: ToolCallLimits = field(default_factory=create_thread_limits)
    executor: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(MAX_OS_THREADS, thread_name_prefix="tool")
    )

    async def call(self, name: str, function: Callable[[], T], timeout_seconds: float) -> T:
        """Run a function that raises no errors. Raises ToolsBusy when it was not started, ToolTimeout when it hangs."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        await self.limits.acquire_within(name, timeout_seconds)
        try:
            future = self.executor.submit(function)
        except RuntimeError as error:  # the system cannot start an OS thread, or the executor was shut down
            self.limits.release(name)
            raise ToolsBusy(f"{name}: no OS thread could be started; this call was not started") from error
        _call_when_done(future, partial(self.limits.release, name))
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            if future.cancelled():
                raise ToolsBusy(self.limits.describe_shortage(name)) from error
            self._count_hanging(name, future)
            raise ToolTimeout(
                f"the call exceeded its timeout of {timeout_seconds:g} s; it may have an effect"
            ) from error

    def _count_hanging(self, name: str, future: "Future[T]") -> None:
        load = self.limits.loads[name]
        load.timeout_count += 1
        load.hanging += 1

        def count_end() -> None:
            load.hanging -= 1

        _call_when_done(future, count_end)


def _call_when_done(future: "Future[T]", callback: Callable[[], None]) -> None:
    """Call the callback on the event loop when the future is done, unless the loop is closed by then."""
    loop = asyncio.get_running_loop()

    def schedule_callback(_: "Future[T]") -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(callback)

    future.add_done_callback(schedule_callback)
