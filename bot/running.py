"""Running tools: one attempt outside every transaction, and what its end means for the ledger (DESIGN §3.4)."""

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from agents.agent import Agent
from agents.errors import HandrailError, Retryable
from agents.policy import EffectClass
from agents.state import OpenCall
from agents.tools import Tool, ToolContext, ToolResult
from bot.fence import Fence, Late
from bot.roster import Roster

MOST_ATTEMPTS = 3
LONGEST_RESULT = 16_000


@dataclass(frozen=True)
class Ended:
    """How an attempt ended: `unknown` when it may have happened and nobody can tell from here."""

    how: Literal["succeeded", "failed", "again", "unknown"]
    text: str
    result: ToolResult | None = None


@dataclass(frozen=True)
class Runner:
    """Calls tools in threads of their own, so that one that blocks stops nobody else."""

    roster: Roster
    executor: Executor

    async def prepare(self, agent: Agent, tool: Tool, arguments: dict[str, Any], key: str) -> dict[str, Any]:
        """The arguments with names resolved. Raises ToolError, or Retryable when that is impossible now."""
        if tool.prepare is None:
            return arguments
        resolved: dict[str, Any] = await self._call(tool.prepare, agent, tool, arguments, key)
        return resolved

    async def run(self, agent: Agent, tool: Tool, call: OpenCall, key: str, fence: Fence) -> Ended:
        """One attempt. Raises Late when the fence was shut before it began."""

        def run(context: ToolContext, **arguments: Any) -> ToolResult:
            fence.pass_through()
            return tool.run(context, **arguments)

        try:
            result: ToolResult = await self._call(run, agent, tool, call.arguments, key)
        except Late:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a tool does, its end must reach the ledger
            return _failed(error, tool.stance.effect)
        return Ended("succeeded", result.summary, result)

    async def check(self, agent: Agent, tool: Tool, call: OpenCall, key: str) -> ToolResult | None:
        """Whether a verifiable call happened. Raises what the check raises."""
        if tool.check is None:
            return None
        found: ToolResult | None = await self._call(tool.check, agent, tool, call.arguments, key)
        return found

    async def _call(self, function: Any, agent: Agent, tool: Tool, arguments: dict[str, Any], key: str) -> Any:
        context = ToolContext(key=key, environment=self.roster.environment(agent))
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(tool.timeout):
            return await loop.run_in_executor(self.executor, lambda: function(context, **arguments))


def _failed(error: Exception, effect: EffectClass) -> Ended:
    """What an error leaves behind. Only a tool's own word counts as "nothing happened"; anything else is doubt."""
    text = words_for(error)
    doubtful = isinstance(error, Retryable) or not isinstance(error, HandrailError)
    if not doubtful:
        return Ended("failed", text)
    if effect == "once":
        return Ended("unknown", text)
    retry = isinstance(error, Retryable | TimeoutError) or effect == "verifiable"
    return Ended("again" if retry else "failed", text)


def words_for(error: Exception) -> str:
    """Our own words as they are; of a foreign error its name only, since its text may hold anything."""
    if isinstance(error, HandrailError):
        return str(error)
    return "it took too long" if isinstance(error, TimeoutError) else f"an unexpected {type(error).__name__}"


def fitting(result: ToolResult) -> Any:
    """The data of a result when it is small enough to keep, else its size."""
    size = len(result.model_dump_json())
    return result.data if size <= LONGEST_RESULT else {"too_long_to_keep": size}


def back_off(attempt: int, jitter: float, now: datetime, asked: float | None = None) -> datetime:
    """When to try again: 1, 2, 4 … 300 seconds with full jitter above half, never sooner than was asked for."""
    seconds = min(300.0, 2.0 ** max(0, attempt - 1)) * (0.5 + jitter / 2)
    return now + timedelta(seconds=max(seconds, asked or 0.0))
