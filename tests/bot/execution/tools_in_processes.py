"""Tools that run in child processes. The child imports them by the name of this module."""

import asyncio
import os
import signal
import subprocess
import threading
from datetime import date
from pathlib import Path

from agents.core.agent import Agent
from agents.core.errors import ToolError, Unavailable
from agents.core.tools import ToolContext, ToolResult, tool

LONG_SLEEP_SECONDS = "86399.25"
"""Longer than any test runs."""


class UnknownPlaceError(ToolError):
    """An error class that is not part of `agents.core.errors`."""


def prepare_day(context: ToolContext, day: date) -> dict[str, object]:
    return {"day": day.replace(day=1)}


async def find_result(context: ToolContext, day: date) -> ToolResult | None:
    await asyncio.sleep(0)
    return ToolResult(summary=f"{context.key} happened on {day:%A}")


@tool(effect="verifiable", prepare=prepare_day, check=find_result, isolation="process")
async def tell_weekday(context: ToolContext, day: date) -> ToolResult:
    """Return the weekday, a variable of the environment and the process id."""
    print("this is not a response")  # noqa: T201 - a tool may print
    await asyncio.sleep(0)
    return ToolResult(summary=f"{day:%A} {context.environment['COLOUR']}", data={"process": os.getpid()})


@tool(effect="read", timeout=0.5, isolation="process")
def hang(context: ToolContext, pid_file: Path) -> ToolResult:
    """Start a child process, write both process ids to a file and hang."""
    child = subprocess.Popen(["sleep", LONG_SLEEP_SECONDS])
    pid_file.write_text(f"{os.getpid()} {child.pid}")
    threading.Event().wait()
    return ToolResult(summary="never")


@tool(effect="read", timeout=3600, isolation="process")
def hang_with_long_timeout(context: ToolContext, pid_file: Path) -> ToolResult:
    """Hang."""
    hang.run(context, pid_file)
    return ToolResult(summary="never")


@tool(effect="read", isolation="process")
def fail(context: ToolContext, failure: str) -> ToolResult:
    """Fail."""
    match failure:
        case "known error":
            raise UnknownPlaceError("there is no such place")
        case "unavailable":
            raise Unavailable("it is away", retry_after=7)
        case "unknown error":
            raise ValueError("token=hunter2")
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            raise SystemExit(3)
    return "not a result"  # type: ignore[return-value]


PROCESS_AGENT = Agent(
    name="processes", purpose="", instructions="", tools=(tell_weekday, hang, hang_with_long_timeout, fail)
)
