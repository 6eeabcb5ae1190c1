"""A tool in a child process is killed with the processes it started, and none of them outlives the server."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agents.core.errors import ToolError, Unavailable
from agents.core.tools import ToolContext, tool
from agents.registry import load_registry
from bot.execution.tools.calls import FunctionName, Invocation, ToolCallError, ToolProcessEnded, ToolTimeout
from bot.execution.tools.limits import CallNotStarted, ToolCallLimits
from bot.execution.tools.processes import ToolProcesses
from bot.execution.tools.runner import Lease, LeaseExpired
from tests.bot.execution.tools_in_processes import PROCESS_AGENT, fail, hang, tell_weekday

_WRONG_TYPE_MESSAGE = "fail returned str instead of a ToolResult; it ran, so it is not started again: check what it did"
CONTEXT = ToolContext(key="thr_1:call_1", environment={"COLOUR": "red"})
TIMEOUT_SECONDS = 90.0
FOLDER_AGENT = """
import os
from agents.core.agent import Agent
from agents.core.tools import ToolContext, ToolResult, tool

@tool(effect="read", isolation="process")
def name_module(context: ToolContext) -> ToolResult:
    return ToolResult(summary=__name__, data=os.getpid())

AGENT = Agent(name="folder", purpose="", instructions="", tools=(name_module,))
"""


def do_nothing() -> None:
    pass


async def call_tool(
    called_tool: Any, function_name: FunctionName = "run", processes: ToolProcesses | None = None, **arguments: Any
) -> Any:
    invocation = Invocation("processes", called_tool, function_name, CONTEXT, called_tool.validate_arguments(arguments))
    return await (processes or ToolProcesses()).call(invocation, do_nothing)


async def wait_until_ended(pid_file: Path) -> None:
    """Wait until the processes listed in the file have ended; a zombie counts as ended."""
    process_ids = [int(pid) for pid in _read(pid_file).split()]
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while any(map(_is_running, process_ids)):  # noqa: ASYNC110 - grandchildren cannot be awaited
            await asyncio.sleep(0.02)


def _read(pid_file: Path) -> str:
    return pid_file.read_text() if pid_file.exists() else ""


def _is_running(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


async def test_async_tool_runs_in_a_child_process_with_types_and_context() -> None:
    result = await call_tool(tell_weekday, day="2026-02-03")
    assert result.summary == "Tuesday red"
    assert result.data["process"] != os.getpid()


async def test_tool_of_an_agent_in_a_folder_runs_in_a_child_process(tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "__init__.py").write_text("from .tools import AGENT\n")
    (tmp_path / "json" / "tools.py").write_text(FOLDER_AGENT)
    agent = load_registry([str(tmp_path)]).get_agent("folder")
    result = await call_tool(agent.tools[0])
    assert result.summary == agent.tools[0].run.__module__
    assert result.data != os.getpid()


async def test_prepare_and_check_run_in_a_child_process() -> None:
    assert await call_tool(tell_weekday, "prepare", day="2026-02-03") == {"day": "2026-02-01"}
    assert (await call_tool(tell_weekday, "check", day="2026-02-03")).summary == "thr_1:call_1 happened on Tuesday"


async def test_call_that_times_out_is_killed_with_its_children(tmp_path: Path) -> None:
    processes, pid_file = ToolProcesses(), tmp_path / "pids"
    with pytest.raises(
        ToolTimeout, match="the call exceeded its timeout of 0.5 s and was killed; it may have had an effect"
    ):
        await call_tool(hang, processes=processes, pid_file=str(pid_file))
    await wait_until_ended(pid_file)
    assert processes.limits.loads["processes.hang"].timeout_count == 1
    assert processes.limits.loads["processes.hang"].running == 0


@pytest.mark.parametrize(
    ("failure", "error", "message"),
    [
        ("known error", ToolError, "there is no such place"),
        ("unavailable", Unavailable, "it is away"),
        ("unknown error", RuntimeError, "an unexpected ValueError; the details are in the operator's log"),
        ("exit", RuntimeError, "an unexpected SystemExit; the details are in the operator's log"),
        ("wrong type", ToolError, _WRONG_TYPE_MESSAGE),
    ],
)  # fmt: skip
async def test_errors_keep_their_class_and_message(failure: str, error: type[Exception], message: str) -> None:
    with pytest.raises(ToolCallError) as raised:
        await call_tool(fail, failure=failure)
    assert isinstance(raised.value.error, error)
    assert raised.value.message == message
    assert raised.value.where is not None
    assert raised.value.where.startswith("bot/execution/tools_in_processes.py:")
    if failure == "unavailable":
        assert raised.value.error.retry_after == 7  # type: ignore[attr-defined]


async def test_killed_child_process_is_reported() -> None:
    with pytest.raises(ToolProcessEnded):
        await call_tool(fail, failure="killed")


async def test_expired_lease_prevents_the_call(tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    lease = Lease(lambda: 100.0, acquired_at=0.0)
    with pytest.raises(LeaseExpired):
        await ToolProcesses().call(
            Invocation("processes", hang, "run", CONTEXT, {"pid_file": str(pid_file)}), lease.check
        )
    assert not pid_file.exists()


async def test_tool_that_the_child_cannot_find_is_not_started() -> None:
    missing_tool = tool(effect="read", isolation="process")(plain_function)
    with pytest.raises(CallNotStarted, match="could not be loaded: TypeError"):
        await call_tool(missing_tool)


def plain_function(context: ToolContext) -> Any:
    """Do nothing. In this module the name is a function and not a tool."""


def test_nested_function_cannot_be_a_tool_with_a_process() -> None:
    def nested(context: ToolContext) -> Any:
        """Do nothing."""

    with pytest.raises(TypeError, match="must be defined at module level"):
        tool(effect="read", isolation="process")(nested)


async def test_call_is_not_started_when_all_processes_are_busy() -> None:
    processes = ToolProcesses(ToolCallLimits(1, 1, 1))
    invocation = Invocation("processes", hang, "run", CONTEXT, {"pid_file": "never"})
    await processes.limits.acquire("processes.hang")
    with pytest.raises(CallNotStarted):
        await processes.call(invocation, do_nothing)


async def test_cancelled_call_leaves_no_process(tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    task = asyncio.create_task(call_tool(PROCESS_AGENT.tools[2], pid_file=str(pid_file)))
    await _wait_until_written(pid_file)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await wait_until_ended(pid_file)


async def test_killed_server_leaves_no_process(tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    program = (
        "import asyncio\n"
        "from tests.bot.execution.test_tool_processes import PROCESS_AGENT, call_tool\n"
        f"asyncio.run(call_tool(PROCESS_AGENT.tools[2], pid_file={str(pid_file)!r}))\n"
    )
    root = str(Path(__file__).parents[3])
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=root)
    try:
        await _wait_until_written(pid_file)
    finally:
        server.kill()
        await server.wait()
    await wait_until_ended(pid_file)


async def _wait_until_written(pid_file: Path) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not _read(pid_file):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)
