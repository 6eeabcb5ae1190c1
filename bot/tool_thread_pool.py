"""OS threads for tool calls. They cannot be stopped: a call that exceeds its timeout keeps its thread until it ends."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from bot.tool_calls import ToolTimeout
from bot.tool_slots import ToolsBusy, ToolSlots

MAX_THREADS = 64
MAX_THREADS_PER_TOOL = 16
MAX_WAITING_PER_TOOL = 8

T = TypeVar("T")


def create_thread_slots() -> ToolSlots:
    """Return the slots for tool threads of this process."""
    return ToolSlots(MAX_THREADS, MAX_THREADS_PER_TOOL, MAX_WAITING_PER_TOOL)


@dataclass(frozen=True)
class ToolThreadPool:
    """Runs functions of tools in OS threads, each tool in a bounded share of them."""

    slots: ToolSlots = field(default_factory=create_thread_slots)
    executor: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="tool")
    )

    async def call(self, name: str, function: Callable[[], T], timeout_seconds: float) -> T:
        """Run a function that raises no errors. Raises ToolsBusy when it was not started, ToolTimeout when it hangs."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        await self.slots.acquire_within(name, timeout_seconds)
        try:
            future = self.executor.submit(function)
        except RuntimeError as error:  # the system cannot start a thread, or the executor was shut down
            self.slots.release(name)
            raise ToolsBusy(f"{name}: no thread could be started; this call was not started") from error
        _call_when_done(future, partial(self.slots.release, name))
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            if future.cancelled():
                raise ToolsBusy(self.slots.describe_shortage(name)) from error
            self._count_hanging(name, future)
            raise ToolTimeout(f"the call took longer than its {timeout_seconds:g} s") from error

    def _count_hanging(self, name: str, future: "Future[T]") -> None:
        load = self.slots.loads[name]
        load.exceeded += 1
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
