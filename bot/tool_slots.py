"""A bounded share for each tool of what all tools run in, so that one that hangs can never occupy everything."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

from agents.errors import Retryable


class CallNotStarted(Retryable):
    """The call has not begun, so nothing has happened."""

    code = "not_begun"


class NoRoom(Exception):
    """All calls of the tool that may run or wait do, and none of them is past its time: come back at the bell."""

    def __init__(self, bells: "deque[asyncio.Event]") -> None:
        super().__init__()
        self._bells = bells

    @contextmanager
    def bell(self) -> Iterator[asyncio.Event]:
        """Yield an event that is set when there is room for one more; of several the first is set first."""
        bell = asyncio.Event()
        self._bells.append(bell)
        try:
            yield bell
        finally:
            with suppress(ValueError):
                self._bells.remove(bell)


class ToolsBusy(CallNotStarted):
    """Everything the call may run in is occupied."""


@dataclass
class ToolLoad:
    """What one tool occupies. `hanging` are calls past their time that have not ended, `exceeded` all there ever were.

    `waiting` have not begun.
    """

    running: int = 0
    waiting: int = 0
    hanging: int = 0
    exceeded: int = 0


@dataclass
class ToolSlots:
    """At most `total` calls at once, `share` of one tool; `queue` more of it may wait for their turn."""

    max_total: int
    max_per_tool: int
    max_waiting_per_tool: int
    loads: dict[str, ToolLoad] = field(default_factory=lambda: defaultdict(ToolLoad))
    _tool_semaphores: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    _bells: dict[str, "deque[asyncio.Event]"] = field(default_factory=lambda: defaultdict(deque))
    _total_semaphore: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._total_semaphore = asyncio.Semaphore(self.max_total)

    def has_room(self, name: str) -> bool:
        """Whether a call of the tool would begin soon. Calls that hang are not waited for."""
        load = self.loads[name]
        return not self.is_stuck(name) and load.running + load.waiting < self.max_per_tool + self.max_waiting_per_tool

    def require_room(self, name: str) -> None:
        """Raise NoRoom where calls that are not past their time leave no room: to wait for them costs nothing."""
        if not self.has_room(name) and not self.loads[name].hanging and not self.is_exhausted:
            raise NoRoom(self._bells[name])

    def is_stuck(self, name: str) -> bool:
        """Whether the whole share of the tool, or everything there is, is occupied by calls past their time."""
        return self.loads[name].hanging >= self.max_per_tool or self.is_exhausted

    @property
    def is_exhausted(self) -> bool:
        """Whether no tool can run, because calls past their time occupy everything."""
        return self.hanging >= self.max_total

    @property
    def hanging(self) -> int:
        return sum(load.hanging for load in self.loads.values())

    @property
    def active_loads(self) -> Mapping[str, ToolLoad]:
        """The tools that run, or have exceeded their time."""
        return {name: load for name, load in self.loads.items() if load.running or load.exceeded}

    async def acquire(self, name: str) -> None:
        """Take a slot as soon as there is one."""
        load = self.loads[name]
        load.waiting += 1
        share = self._tool_semaphores.setdefault(name, asyncio.Semaphore(self.max_per_tool))
        try:
            await share.acquire()
            try:
                await self._total_semaphore.acquire()
            except BaseException:
                share.release()
                raise
        finally:
            load.waiting -= 1
        load.running += 1

    def release(self, name: str) -> None:
        """Give a slot back."""
        self.loads[name].running -= 1
        self._tool_semaphores[name].release()
        self._total_semaphore.release()
        if self._bells[name]:
            self._bells[name].popleft().set()

    @asynccontextmanager
    async def slot(self, name: str, timeout_seconds: float) -> AsyncIterator[None]:
        """Hold a slot for a call that certainly ends with this block. Raises ToolsBusy."""
        await self.acquire_within(name, timeout_seconds)
        try:
            yield
        finally:
            self.release(name)

    async def acquire_within(self, name: str, timeout_seconds: float) -> None:
        """Take a slot. Raises ToolsBusy when there is none for so long."""
        if self.is_stuck(name):
            raise ToolsBusy(self.describe_shortage(name))
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.acquire(name)
        except TimeoutError as error:
            raise ToolsBusy(self.describe_shortage(name)) from error

    def describe_shortage(self, name: str) -> str:
        """Why the tool cannot run."""
        load = self.loads[name]
        if not load.hanging and not self.is_exhausted:
            return f"{name}: {load.running} calls run at once already; the call has not begun"
        return f"{name}: {load.hanging} earlier calls are past their time and have not ended; the call has not begun"
