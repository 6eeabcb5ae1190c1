"""Child processes for tools with `isolation="process"`. A call that exceeds its timeout is killed with its children.

A child is started for one call (bot/execution/tools/child.py). The child is a guard that forks a worker. The worker
imports the agent, reports that it is ready, receives the arguments and responds. When this process ends, the guard's
input closes, and the guard kills the worker and itself.
"""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from agents.core import errors
from agents.core.errors import HandrailError, Retryable
from agents.core.tools import Tool, ToolResult
from agents.loading.sources import mounted_folder
from bot.execution.tools.calls import FunctionName, Invocation, ToolCallError, ToolProcessEnded, ToolTimeout
from bot.execution.tools.limits import CallNotStarted, ToolCallLimits

MAX_PROCESSES = 16
MAX_PROCESSES_PER_TOOL = 4
MAX_WAITING_PER_TOOL = 16
START_TIMEOUT_SECONDS = 60.0
MAX_RESPONSE_BYTES = 64_000_000
_COMMAND = (
    sys.executable,
    "-P",
    "-c",
    "import sys; sys.path[:] = sys.argv[1:]; from bot.execution.tools.child import main; main()",
)


class ToolNotStarted(CallNotStarted):
    """The child process of a tool could not be started."""


def create_process_limits() -> ToolCallLimits:
    """Return the limits of calls in child processes of this process."""
    return ToolCallLimits(MAX_PROCESSES, MAX_PROCESSES_PER_TOOL, MAX_WAITING_PER_TOOL)


@dataclass(frozen=True)
class ToolProcesses:
    """Runs functions of tools in child processes."""

    limits: ToolCallLimits = field(default_factory=create_process_limits)

    async def call(self, invocation: Invocation, before_call: Callable[[], None]) -> Any:
        """Run the function. `before_call` is called when the child is ready, right before it receives its arguments.

        Raises ToolsBusy or ToolNotStarted when the function was not called, ToolTimeout when it was killed,
        ToolProcessEnded when its process died or sent a response that is too large or invalid, ToolCallError when it
        raised, and any error of `before_call`.
        """
        tool = invocation.tool
        async with self.limits.running_call(invocation.name, tool.timeout), _child_process() as child:
            await self._start(child, tool, invocation.function_name)
            before_call()
            try:
                async with asyncio.timeout(tool.timeout):
                    await _send(child, _call_payload(invocation))
                    return _parse_result(await _receive(child))
            except ToolProcessEnded:  # a TimeoutError too, but the call did not exceed its timeout
                raise
            except TimeoutError as error:
                self.limits.loads[invocation.name].timeout_count += 1
                raise ToolTimeout(
                    f"the call exceeded its timeout of {tool.timeout:g} s and was killed; it may have had an effect"
                ) from error

    async def _start(self, child: Process, tool: Tool, function_name: FunctionName) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                await _send(child, _start_payload(tool, function_name))
                response = await _receive(child)
        except ToolProcessEnded as error:
            raise ToolNotStarted(
                f"the process of {tool.name} ended while importing the agent; the tool was not run"
            ) from error
        except TimeoutError as error:
            raise ToolNotStarted(
                f"the process of {tool.name} did not become ready within {START_TIMEOUT_SECONDS:g} s; "
                "the tool was not run"
            ) from error
        if not response.get("ready"):
            raise ToolNotStarted(f"{tool.name} could not be loaded: {response.get('problem')}; the tool was not run")


@asynccontextmanager
async def _child_process() -> AsyncIterator[Process]:
    """Yield a child process in a new process group, which is killed at the end of the block."""
    try:
        child = await asyncio.create_subprocess_exec(
            *_COMMAND, *sys.path, stdin=PIPE, stdout=PIPE, start_new_session=True
        )
    except OSError as error:
        raise ToolNotStarted(f"no process could be started: {error.strerror}; the tool was not run") from error
    try:
        yield child
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
        child._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - unread output would keep the pipes open


async def _send(child: Process, payload: Mapping[str, Any]) -> None:
    if child.stdin is None:
        raise ToolProcessEnded
    child.stdin.write(json.dumps(payload).encode() + b"\n")
    try:
        await child.stdin.drain()
    except OSError as error:
        raise ToolProcessEnded from error


async def _receive(child: Process) -> Any:
    """Read one message: its size in eight bytes (big-endian), then JSON. Raises ToolProcessEnded."""
    if child.stdout is None:
        raise ToolProcessEnded
    try:
        size = int.from_bytes(await child.stdout.readexactly(8), "big")
        if size > MAX_RESPONSE_BYTES:
            raise ToolProcessEnded(
                f"the response of {size} bytes exceeds the limit of {MAX_RESPONSE_BYTES}; return a smaller result"
            )
        return json.loads(await child.stdout.readexactly(size))
    except (asyncio.IncompleteReadError, ConnectionError, ValueError) as error:
        raise ToolProcessEnded from error


def _start_payload(tool: Tool, function_name: FunctionName) -> Mapping[str, Any]:
    module = tool.run.__module__
    # The folder is that of an agent outside the installed packages; None for an installed one.
    folder = mounted_folder(module)
    return {"folder": folder, "module": module, "name": tool.run.__qualname__, "function": function_name}


def _call_payload(invocation: Invocation) -> Mapping[str, Any]:
    context = {"key": invocation.context.key, "environment": dict(invocation.context.environment)}
    return {"context": context, "arguments": dict(invocation.arguments)}


def _parse_result(payload: Mapping[str, Any]) -> Any:
    """Return the result of the function. Raises ToolCallError if it raised."""
    if "raised" in payload:
        raise _parse_error(payload["raised"])
    value = payload["returned"]
    return ToolResult.model_validate(value) if payload["is_result"] else value


def _parse_error(payload: Mapping[str, Any]) -> ToolCallError:
    """Return the error as the nearest class of `agents.core.errors`; any other error loses its text."""
    error_class = getattr(errors, payload["error_class"], None) if payload["error_class"] else None
    if error_class is not None and issubclass(error_class, Retryable):
        error: Exception = error_class(payload["message"], retry_after=payload["retry_after"])
    elif error_class is not None and issubclass(error_class, HandrailError):
        error = error_class(payload["message"])
    else:
        error = TimeoutError() if payload["is_timeout"] else RuntimeError(payload["kind"])
    return ToolCallError(error, kind=payload["kind"], where=payload["where"], trace=payload["trace"])
