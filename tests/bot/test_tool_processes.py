"""A tool with a process of its own is killed with all that it started, and nothing of it outlives the server."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agents.errors import ToolError, Unavailable
from agents.tools import ToolContext, tool
from bot.lease import Lease, LeaseExpired
from bot.tool_calls import FunctionName, Invocation, ToolCallError, ToolProcessEnded, ToolTimeout
from bot.tool_processes import ToolProcesses
from bot.tool_slots import CallNotStarted, ToolSlots
from tests.bot.tools_in_processes import PROCESSES, fail, hang, tell

_WRONG = "fail returned str instead of a ToolResult; it ran, so it is not started again: look at what it did"
CONTEXT = ToolContext(key="thr_1:call_1", environment={"COLOUR": "red"})
PATIENCE = 30.0


def nothing() -> None:
    pass


async def called(
    used: Any, part: FunctionName = "run", processes: ToolProcesses | None = None, **arguments: Any
) -> Any:
    invocation = Invocation("processes", used, part, CONTEXT, used.validate_arguments(arguments))
    return await (processes or ToolProcesses()).call(invocation, nothing)


async def are_gone(pids: Path) -> bool:
    """Whether the processes named in the file end; a zombie that is not collected yet has ended."""
    named = [int(pid) for pid in _read(pids).split()]
    async with asyncio.timeout(PATIENCE):
        while any(map(_lives, named)):  # noqa: ASYNC110 - no bell rings for the end of others' children
            await asyncio.sleep(0.02)
    return True


def _read(pids: Path) -> str:
    return pids.read_text() if pids.exists() else ""


def _lives(pid: int) -> bool:
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(told.strip()) and not told.startswith("Z")


async def test_async_tool_runs_in_another_process_with_its_types_and_context() -> None:
    result = await called(tell, day="2026-02-03")
    assert result.summary == "Tuesday red"
    assert result.data["process"] != os.getpid()


async def test_prepare_and_check_run_there_too() -> None:
    assert await called(tell, "prepare", day="2026-02-03") == {"day": "2026-02-01"}
    assert (await called(tell, "check", day="2026-02-03")).summary == "thr_1:call_1 happened on Tuesday"


async def test_call_past_its_time_is_killed_with_what_it_started(tmp_path: Path) -> None:
    processes, pids = ToolProcesses(), tmp_path / "pids"
    with pytest.raises(ToolTimeout, match="it took longer than its 0.5 s and was killed"):
        await called(hang, processes=processes, pids=str(pids))
    assert await are_gone(pids)
    assert processes.slots.loads["processes.hang"].exceeded == 1
    assert processes.slots.loads["processes.hang"].running == 0


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ("own", ToolError, "there is no such place"),
        ("away", Unavailable, "it is away"),
        ("foreign", RuntimeError, "an unexpected ValueError; the details are in the operator's log"),
        ("exit", RuntimeError, "an unexpected SystemExit; the details are in the operator's log"),
        ("type", ToolError, _WRONG),
    ],
)  # fmt: skip
async def test_errors_come_back_as_what_they_mean(how: str, error: type[Exception], words: str) -> None:
    with pytest.raises(ToolCallError) as raised:
        await called(fail, how=how)
    assert isinstance(raised.value.error, error)
    assert raised.value.message == words
    assert raised.value.where is not None
    assert raised.value.where.startswith("tests/bot/tools_in_processes.py:")
    if how == "away":
        assert raised.value.error.retry_after == 7  # type: ignore[attr-defined]


async def test_process_that_is_killed_leaves_doubt() -> None:
    with pytest.raises(ToolProcessEnded):
        await called(fail, how="killed")


async def test_shut_fence_keeps_the_call_from_beginning(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    fence = Lease(lambda: 100.0, acquired_at=0.0)
    with pytest.raises(LeaseExpired):
        await ToolProcesses().call(Invocation("processes", hang, "run", CONTEXT, {"pids": str(pids)}), fence.check)
    assert not pids.exists()


async def test_tool_that_cannot_be_found_has_not_begun() -> None:
    lost = tool(effect="read", isolation="process")(nothing_there)
    with pytest.raises(CallNotStarted, match="did not start: TypeError"):
        await called(lost)


def nothing_there(context: ToolContext) -> Any:
    """Stand in the module as a function, not as a tool."""


def test_tool_within_a_function_cannot_have_a_process() -> None:
    def within(context: ToolContext) -> Any:
        """Hide."""

    with pytest.raises(TypeError, match="must stand in a module"):
        tool(effect="read", isolation="process")(within)


async def test_busy_processes_refuse_a_call_before_it_begins() -> None:
    processes = ToolProcesses(ToolSlots(1, 1, 1))
    quick = Invocation("processes", hang, "run", CONTEXT, {"pids": "never"})
    await processes.slots.acquire("processes.hang")
    with pytest.raises(CallNotStarted):
        await processes.call(quick, nothing)


async def test_cancelled_call_leaves_no_process(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    task = asyncio.create_task(called(PROCESSES.tools[2], pids=str(pids)))
    await _written(pids)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await are_gone(pids)


async def test_killed_server_leaves_no_process(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = (
        "import asyncio\n"
        "from tests.bot.test_tool_processes import PROCESSES, called\n"
        f"asyncio.run(called(PROCESSES.tools[2], pids={str(pids)!r}))\n"
    )
    root = str(Path(__file__).parents[2])
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=root)
    try:
        await _written(pids)
    finally:
        server.kill()
        await server.wait()
    assert await are_gone(pids)


async def _written(pids: Path) -> None:
    async with asyncio.timeout(PATIENCE):
        while not _read(pids):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)
