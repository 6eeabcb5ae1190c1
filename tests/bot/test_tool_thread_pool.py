"""A tool that hangs occupies its share of the threads and no more; what exceeds its time is counted."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from agents.agent import Agent
from agents.tools import ToolContext, ToolResult, tool
from bot.roster import Roster
from bot.tool_calls import ToolCallError, ToolTimeout
from bot.tool_runner import ToolRunner
from bot.tool_slots import ToolsBusy, ToolSlots
from bot.tool_thread_pool import ToolThreadPool

SOON = 0.05
PATIENCE = 20.0


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """Set, it lets everything that hangs go on."""
    event = threading.Event()
    yield event
    event.set()


def threads() -> ToolThreadPool:
    return ToolThreadPool(ToolSlots(max_total=4, max_per_tool=2, max_waiting_per_tool=1))


async def hang(where: ToolThreadPool, name: str, end: threading.Event) -> None:
    with pytest.raises(ToolTimeout):
        await where.call(name, lambda: end.wait(PATIENCE), SOON)


async def test_one_tool_never_occupies_what_others_need(end: threading.Event) -> None:
    where = threads()
    for _ in range(2):
        await hang(where, "desk.hang", end)
    with pytest.raises(ToolsBusy, match="desk.hang: 2 earlier calls are past their time and have not ended"):
        await where.call("desk.hang", lambda: "never", PATIENCE)
    assert await where.call("desk.quick", lambda: "done", PATIENCE) == "done"
    assert not where.slots.has_room("desk.hang")
    assert where.slots.has_room("desk.quick")
    assert not where.slots.is_exhausted


async def test_threads_are_exhausted_when_calls_past_their_time_occupy_all(end: threading.Event) -> None:
    where = threads()
    for name in ("desk.one", "desk.one", "desk.two", "desk.two"):
        await hang(where, name, end)
    assert where.slots.is_exhausted
    with pytest.raises(ToolsBusy):
        await where.call("desk.quick", lambda: "never", PATIENCE)


async def test_call_that_ends_late_gives_its_thread_back(end: threading.Event) -> None:
    where = threads()
    for _ in range(2):
        await hang(where, "desk.hang", end)
    assert vars(where.slots.loads["desk.hang"]) == {"running": 2, "waiting": 0, "hanging": 2, "exceeded": 2}
    end.set()
    async with asyncio.timeout(PATIENCE):
        while where.slots.active_loads["desk.hang"].running or where.slots.hanging:  # noqa: ASYNC110 - threads ring no bell
            await asyncio.sleep(0)
    assert vars(where.slots.loads["desk.hang"]) == {"running": 0, "waiting": 0, "hanging": 0, "exceeded": 2}
    assert await where.call("desk.hang", lambda: "done", PATIENCE) == "done"


async def test_calls_wait_for_their_turn_while_those_before_them_work(end: threading.Event) -> None:
    where = threads()
    calls = [asyncio.create_task(where.call("desk.slow", lambda: end.wait(PATIENCE), PATIENCE)) for _ in range(5)]
    await asyncio.sleep(0)
    assert vars(where.slots.loads["desk.slow"]) == {"running": 2, "waiting": 3, "hanging": 0, "exceeded": 0}
    assert not where.slots.has_room("desk.slow")
    end.set()
    assert await asyncio.gather(*calls) == [True] * 5


async def test_runner_counts_and_names_tools_that_exceed_their_time(end: threading.Event) -> None:
    @tool(effect="read", timeout=SOON)
    def slow(context: ToolContext) -> ToolResult:
        """Wait."""
        end.wait(PATIENCE)
        return ToolResult(summary="late")

    desk = Agent(name="desk", purpose="", instructions="", tools=(slow,))
    runner = ToolRunner(Roster({"desk": desk}), threads())
    for _ in range(2):
        with pytest.raises(ToolCallError, match="ToolTimeout") as raised:
            await runner._call(desk, slow, "run", {}, ToolContext("k", {}))
        assert raised.value.message == "it took longer than its 0.05 s"
        assert raised.value.where is not None
    assert runner.tool_loads["desk.slow"].exceeded == 2
    assert runner.stuck_tools == ("desk.slow cannot run: 2 of its calls do not end; restart this process",)
    assert runner.busy_reason(desk, slow) is not None
