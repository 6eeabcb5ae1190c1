"""A tool that hangs occupies at most its share of the OS threads, and calls that exceed their timeout are counted."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from agents.core.agent import Agent
from agents.core.tools import ToolContext, ToolResult, tool
from bot.execution.tools.calls import ToolCallError, ToolTimeout
from bot.execution.tools.limits import ToolCallLimits, ToolsBusy, ToolThreadPool
from bot.execution.tools.runner import ToolRunner
from bot.services.roster import Roster

SHORT_TIMEOUT_SECONDS = 0.05
TIMEOUT_SECONDS = 90.0


@pytest.fixture
def may_return() -> Iterator[threading.Event]:
    """Event for which hanging calls wait; it is set after the test."""
    event = threading.Event()
    yield event
    event.set()


def create_pool() -> ToolThreadPool:
    return ToolThreadPool(ToolCallLimits(max_total=4, max_per_tool=2, max_waiting_per_tool=1))


async def hang(pool: ToolThreadPool, name: str, may_return: threading.Event) -> None:
    with pytest.raises(ToolTimeout):
        await pool.call(name, lambda: may_return.wait(TIMEOUT_SECONDS), SHORT_TIMEOUT_SECONDS)


async def test_hanging_tool_leaves_threads_for_others(may_return: threading.Event) -> None:
    pool = create_pool()
    for _ in range(2):
        await hang(pool, "desk.hang", may_return)
    with pytest.raises(ToolsBusy, match="desk.hang: 2 earlier calls have timed out but still run"):
        await pool.call("desk.hang", lambda: "never", TIMEOUT_SECONDS)
    assert await pool.call("desk.quick", lambda: "done", TIMEOUT_SECONDS) == "done"
    assert not pool.limits.has_room("desk.hang")
    assert pool.limits.has_room("desk.quick")
    assert not pool.limits.is_exhausted


async def test_pool_is_exhausted_when_hanging_calls_occupy_all_threads(may_return: threading.Event) -> None:
    pool = create_pool()
    for name in ("desk.one", "desk.one", "desk.two", "desk.two"):
        await hang(pool, name, may_return)
    assert pool.limits.is_exhausted
    with pytest.raises(ToolsBusy):
        await pool.call("desk.quick", lambda: "never", TIMEOUT_SECONDS)


async def test_hanging_call_releases_its_thread_when_it_ends(may_return: threading.Event) -> None:
    pool = create_pool()
    for _ in range(2):
        await hang(pool, "desk.hang", may_return)
    assert vars(pool.limits.loads["desk.hang"]) == {"running": 2, "waiting": 0, "hanging": 2, "timeout_count": 2}
    may_return.set()
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while pool.limits.active_loads["desk.hang"].running or pool.limits.hanging:  # noqa: ASYNC110 - OS threads set no event
            await asyncio.sleep(0)
    assert vars(pool.limits.loads["desk.hang"]) == {"running": 0, "waiting": 0, "hanging": 0, "timeout_count": 2}
    assert await pool.call("desk.hang", lambda: "done", TIMEOUT_SECONDS) == "done"


async def test_calls_wait_while_earlier_calls_run(may_return: threading.Event) -> None:
    pool = create_pool()
    calls = [
        asyncio.create_task(pool.call("desk.slow", lambda: may_return.wait(TIMEOUT_SECONDS), TIMEOUT_SECONDS))
        for _ in range(5)
    ]
    await asyncio.sleep(0)
    assert vars(pool.limits.loads["desk.slow"]) == {"running": 2, "waiting": 3, "hanging": 0, "timeout_count": 0}
    assert not pool.limits.has_room("desk.slow")
    may_return.set()
    assert await asyncio.gather(*calls) == [True] * 5


async def test_runner_reports_tools_that_exceed_their_timeout(may_return: threading.Event) -> None:
    @tool(effect="read", timeout=SHORT_TIMEOUT_SECONDS)
    def slow(context: ToolContext) -> ToolResult:
        """Wait."""
        may_return.wait(TIMEOUT_SECONDS)
        return ToolResult(summary="late")

    desk = Agent(name="desk", purpose="", instructions="", tools=(slow,))
    runner = ToolRunner(Roster({"desk": desk}), create_pool())
    for _ in range(2):
        with pytest.raises(ToolCallError, match="ToolTimeout") as raised:
            await runner._call(desk, slow, "run", {}, ToolContext("k", {}))
        assert raised.value.message == "the call exceeded its timeout of 0.05 s; it may have an effect"
        assert raised.value.where is not None
    assert runner.tool_loads["desk.slow"].timeout_count == 2
    assert runner.stuck_tools == ("desk.slow cannot run: 2 of its calls do not end; restart this process",)
    assert runner.hanging_calls_reason(desk, slow) is not None
