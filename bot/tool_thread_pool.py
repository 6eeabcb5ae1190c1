"""Threads that tools run in. A thread cannot be stopped: a call past its time keeps its thread until it ends."""

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
    """Return the slots of this process."""
    return ToolSlots(MAX_THREADS, MAX_THREADS_PER_TOOL, MAX_WAITING_PER_TOOL)


@dataclass(frozen=True)
class ToolThreadPool:
    """Runs functions of tools in threads, each tool in a bounded share of them."""

    slots: ToolSlots = field(default_factory=create_thread_slots)
    executor: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="tool")
    )

    async def call(self, name: str, function: Callable[[], T], timeout_seconds: float) -> T:
        """Run the function, which raises nothing. Raises ToolsBusy when it has not begun, ToolTimeout when it hangs."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_seconds
        await self.slots.acquire_within(name, timeout_seconds)
        try:
            future = self.executor.submit(function)
        except RuntimeError as error:  # the machine gives no thread, or we are stopping
            self.slots.release(name)
            raise ToolsBusy(f"{name}: no thread could be started; the call has not begun") from error
        _call_when_done(future, partial(self.slots.release, name))
        try:
            async with asyncio.timeout_at(end):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            if future.cancelled():
                raise ToolsBusy(self.slots.describe_shortage(name)) from error
            self._count_hanging(name, future)
            raise ToolTimeout(f"it took longer than its {timeout_seconds:g} s") from error

    def _count_hanging(self, name: str, future: "Future[T]") -> None:
        load = self.slots.loads[name]
        load.exceeded += 1
        load.hanging += 1

        def ended() -> None:
            load.hanging -= 1

        _call_when_done(future, ended)


def _call_when_done(future: "Future[T]", callback: Callable[[], None]) -> None:
    """Call back on the loop; where that is closed there is nothing left to count."""
    loop = asyncio.get_running_loop()

    def done(_: "Future[T]") -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(callback)

    future.add_done_callback(done)
