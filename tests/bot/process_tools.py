"""Tools that run in a process of their own: the child finds them by the name of this module."""

import asyncio
import os
import signal
import subprocess
import threading
from datetime import date
from pathlib import Path

from agents.agent import Agent
from agents.errors import ToolError, Unreachable
from agents.tools import ToolContext, ToolResult, tool

NAP = "86399.25"
"""Seconds, and how a process that sleeps so long is recognised."""


class NoSuchPlace(ToolError):
    """A class the server does not know."""


def resolved(context: ToolContext, day: date) -> dict[str, object]:
    return {"day": day.replace(day=1)}


async def happened(context: ToolContext, day: date) -> ToolResult | None:
    await asyncio.sleep(0)
    return ToolResult(summary=f"{context.key} happened on {day:%A}")


@tool(effect="verifiable", prepare=resolved, check=happened, isolation="process")
async def tell(context: ToolContext, day: date) -> ToolResult:
    """Tell."""
    print("this is no answer")  # noqa: T201 - a tool may print
    await asyncio.sleep(0)
    return ToolResult(summary=f"{day:%A} {context.environment['COLOUR']}", data={"process": os.getpid()})


@tool(effect="read", timeout=0.5, isolation="process")
def hang(context: ToolContext, pids: Path) -> ToolResult:
    """Hang, with a process beside it, and say who they are."""
    beside = subprocess.Popen(["sleep", NAP])
    pids.write_text(f"{os.getpid()} {beside.pid}")
    threading.Event().wait()
    return ToolResult(summary="never")


@tool(effect="read", timeout=3600, isolation="process")
def hang_for_long(context: ToolContext, pids: Path) -> ToolResult:
    """Hang."""
    hang.run(context, pids)
    return ToolResult(summary="never")


@tool(effect="read", isolation="process")
def fail(context: ToolContext, how: str) -> ToolResult:
    """Fail."""
    match how:
        case "own":
            raise NoSuchPlace("there is no such place")
        case "away":
            raise Unreachable("it is away", retry_after=7)
        case "foreign":
            raise ValueError("token=hunter2")
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            raise SystemExit(3)
    return "not a result"  # type: ignore[return-value]


PROCESSES = Agent(name="processes", purpose="", instructions="", tools=(tell, hang, hang_for_long, fail))
