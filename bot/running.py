"""Running tools: one attempt outside every transaction, and what its end means for the ledger (docs/adr/0019)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from agents.agent import Agent
from agents.errors import HandrailError, Retryable
from agents.events import FailureStage
from agents.policy import EffectClass
from agents.state import OpenCall
from agents.tools import Tool, ToolContext, ToolResult
from bot.fence import Fence, Late
from bot.log import Action, log
from bot.roster import Roster
from bot.tool_calls import Invocation, Part, ToolRaised, ToolStopped, ToolTimeout, defined_at, invoke, raised
from bot.tool_processes import ToolProcesses
from bot.tool_slots import NotBegun, ToolLoad, ToolSlots
from bot.tool_threads import ToolThreads

MOST_ATTEMPTS = 3


@dataclass(frozen=True)
class Ended:
    """How an attempt ended: `unknown` when it may have happened and it is impossible to tell from here.

    `stage` tells what failed if not the run itself. `where` is the file and line, for those who look into the log.
    """

    how: Literal["succeeded", "failed", "again", "unknown"]
    text: str
    result: ToolResult | None = None
    stage: FailureStage | None = None
    where: str | None = None


@dataclass(frozen=True)
class Runner:
    """Calls tools in threads or processes of their own, each in its share of them, so that none can stop the others."""

    roster: Roster
    threads: ToolThreads = field(default_factory=ToolThreads)
    processes: ToolProcesses = field(default_factory=ToolProcesses)

    async def prepare(self, agent: Agent, tool: Tool, arguments: dict[str, Any], key: str) -> dict[str, Any]:
        """Return the arguments with names resolved, as canonical JSON. Raises ToolRaised."""
        if tool.prepare is None:
            return arguments
        resolved: dict[str, Any] = await self._call(agent, tool, "prepare", arguments, self._context(agent, key))
        return resolved

    async def run(self, agent: Agent, tool: Tool, call: OpenCall, key: str, fence: Fence) -> Ended:
        """Run one attempt. Raises Late when the fence was shut before it began."""
        try:
            result: ToolResult = await self._call(
                agent, tool, "run", call.arguments, self._context(agent, key), fence.pass_through
            )
        except ToolRaised as error:
            return _failed(error, tool.stance.effect)
        return Ended("succeeded", result.summary, result)

    async def look(self, agent: Agent, tool: Tool, call: OpenCall, key: str) -> Ended | None:
        """Return how the call ended when its tool finds that it happened, or could not look; None when it did not."""
        if tool.check is None:
            return None
        try:
            found: ToolResult | None = await self._call(agent, tool, "check", call.arguments, self._context(agent, key))
        except ToolRaised as error:
            text = f"looking for what {tool.name} did failed: {error.words}"
            return Ended("again", text, stage="look", where=error.where)
        return None if found is None else Ended("succeeded", found.summary, found)

    def obstacle(self, agent: Agent, tool: Tool) -> str | None:
        """Why a call of the tool could not begin while others hang, or None. Raises NoRoom where it can begin soon."""
        slots, name = self._slots(tool), f"{agent.name}.{tool.name}"
        slots.require_room(name)
        return None if slots.has_room(name) else slots.complaint(name)

    @property
    def loads(self) -> Mapping[str, ToolLoad]:
        """What tools occupy, and how often they exceeded their time, by agent and tool."""
        return {**self.threads.slots.used, **self.processes.slots.used}

    @property
    def stuck(self) -> tuple[str, ...]:
        """A sentence for each tool that cannot run, because earlier calls of it do not end."""
        kinds = (self.threads.slots, self.processes.slots)
        return tuple(
            f"{name} cannot run: {load.hanging} of its calls do not end; restart this process"
            for slots in kinds
            for name, load in slots.used.items()
            if load.hanging >= slots.share
        )

    @property
    def is_exhausted(self) -> bool:
        """Whether no tool can run in a thread, because calls past their time occupy all."""
        return self.threads.slots.is_exhausted

    def close(self) -> None:
        """Begin nothing new. What hangs is left to the end of this process; other processes are gone already."""
        self.threads.executor.shutdown(wait=False, cancel_futures=True)

    def _slots(self, tool: Tool) -> ToolSlots:
        return self.processes.slots if tool.isolation == "process" else self.threads.slots

    async def _call(
        self,
        agent: Agent,
        tool: Tool,
        part: Part,
        arguments: dict[str, Any],
        context: ToolContext,
        before: Callable[[], None] = lambda: None,
    ) -> Any:
        """Call one function of the tool, and `before` right before it. Raises Late of `before`, and ToolRaised."""
        invocation = Invocation(agent.name, tool, part, context, arguments)
        try:
            if tool.isolation == "process":
                return await self.processes.call(invocation, before)
            return await self._in_thread(invocation, before)
        except ToolRaised as error:
            self._log(invocation, error)
            raise
        except (NotBegun, ToolStopped) as error:
            found = ToolRaised(error, kind=type(error).__name__, where=defined_at(tool, part))
            self._log(invocation, found)
            raise found from error

    async def _in_thread(self, invocation: Invocation, before: Callable[[], None]) -> Any:
        def work() -> Any:
            """Errors are returned: some of them would end the loop, or be lost on their way to it."""
            try:
                before()
                return invoke(invocation)
            except Late as late:
                return late
            except BaseException as error:  # noqa: BLE001 - whatever a tool does, its end must reach the ledger
                return raised(error, invocation.context)

        value = await self.threads.call(invocation.name, work, invocation.tool.timeout)
        if isinstance(value, Late | ToolRaised):
            raise value
        return value

    def _log(self, invocation: Invocation, error: ToolRaised) -> None:
        """The operator gets all there is; of what a tool says in our own words the place suffices."""
        exceeded = isinstance(error.error, ToolTimeout)
        expected = isinstance(error.error, HandrailError)
        log(
            Action.TOOL_EXCEEDED if exceeded else Action.TOOL_FAILED,
            level="warning" if expected else "error",
            effect_key=f"{invocation.part}:{invocation.context.key}",
            agent=invocation.agent,
            tool=invocation.tool.name,
            seconds=invocation.tool.timeout if exceeded else None,
            count=self._slots(invocation.tool).loads[invocation.name].exceeded if exceeded else None,
            error=error.kind,
            where=error.where,
            traceback=None if expected else error.trace or None,
        )

    def _context(self, agent: Agent, key: str) -> ToolContext:
        return ToolContext(key=key, environment=self.roster.environment(agent))


def _failed(raised_: ToolRaised, effect: EffectClass) -> Ended:
    """What an error leaves behind. Only a tool's own word counts as "nothing happened"; anything else is doubt."""
    error, text, where = raised_.error, raised_.words, raised_.where
    if isinstance(error, NotBegun):
        return Ended("again", text, stage="unbegun")
    doubtful = isinstance(error, Retryable) or not isinstance(error, HandrailError)
    if not doubtful:
        return Ended("failed", text, where=where)
    if effect == "once":
        return Ended("unknown", text, where=where)
    retry = isinstance(error, Retryable | TimeoutError) or effect == "verifiable"
    return Ended("again" if retry else "failed", text, where=where)


def back_off(
    attempt: int, jitter: float, now: datetime, asked: float | None = None, longest: float = 300.0
) -> datetime:
    """When to try again: 1, 2, 4 … `longest` seconds with full jitter above half, never sooner than was asked for."""
    seconds = min(longest, 2.0 ** min(max(0, attempt - 1), 30)) * (0.5 + jitter / 2)
    return now + timedelta(seconds=max(seconds, asked or 0.0))
