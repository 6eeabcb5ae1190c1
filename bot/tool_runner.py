"""Running tools: one attempt outside every transaction, and what its end means for the ledger (docs/adr/0019)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from agents.agent import Agent
from agents.errors import HandrailError, Retryable
from agents.events import FailureStage
from agents.policy import EffectClass
from agents.state import CurrentCall
from agents.tools import Tool, ToolContext, ToolResult
from bot.lease import Lease, LeaseExpired
from bot.log import LogEvent, log
from bot.roster import Roster
from bot.tool_calls import (
    FunctionName,
    Invocation,
    ToolCallError,
    ToolStopped,
    ToolTimeout,
    function_location,
    invoke,
    to_call_error,
)
from bot.tool_processes import ToolProcesses
from bot.tool_slots import CallNotStarted, ToolLoad, ToolSlots
from bot.tool_thread_pool import ToolThreadPool

MAX_TOOL_ATTEMPTS = 3


@dataclass(frozen=True)
class ToolOutcome:
    """How an attempt ended: `unknown` when it may have happened and it is impossible to tell from here.

    `stage` tells what failed if not the run itself. `where` is the file and line, for those who look into the log.
    """

    status: Literal["succeeded", "failed", "again", "unknown"]
    text: str
    result: ToolResult | None = None
    stage: FailureStage | None = None
    where: str | None = None


@dataclass(frozen=True)
class ToolRunner:
    """Calls tools in threads or processes of their own, each in its share of them, so that none can stop the others."""

    roster: Roster
    thread_pool: ToolThreadPool = field(default_factory=ToolThreadPool)
    processes: ToolProcesses = field(default_factory=ToolProcesses)

    async def prepare(self, agent: Agent, tool: Tool, arguments: dict[str, Any], key: str) -> dict[str, Any]:
        """Return the arguments with names resolved, as canonical JSON. Raises ToolRaised."""
        if tool.prepare is None:
            return arguments
        resolved: dict[str, Any] = await self._call(agent, tool, "prepare", arguments, self._tool_context(agent, key))
        return resolved

    async def run(self, agent: Agent, tool: Tool, call: CurrentCall, key: str, lease: Lease) -> ToolOutcome:
        """Run one attempt. Raises Late when the fence was shut before it began."""
        try:
            result: ToolResult = await self._call(
                agent, tool, "run", call.arguments, self._tool_context(agent, key), lease.check
            )
        except ToolCallError as error:
            return _failure_outcome(error, tool.defaults.effect)
        return ToolOutcome("succeeded", result.summary, result)

    async def check(self, agent: Agent, tool: Tool, call: CurrentCall, key: str) -> ToolOutcome | None:
        """Return how the call ended when its tool finds that it happened, or could not look; None when it did not."""
        if tool.check is None:
            return None
        try:
            found: ToolResult | None = await self._call(
                agent, tool, "check", call.arguments, self._tool_context(agent, key)
            )
        except ToolCallError as error:
            text = f"looking for what {tool.name} did failed: {error.message}"
            return ToolOutcome("again", text, stage="look", where=error.where)
        return None if found is None else ToolOutcome("succeeded", found.summary, found)

    def busy_reason(self, agent: Agent, tool: Tool) -> str | None:
        """Why a call of the tool could not begin while others hang, or None. Raises NoRoom where it can begin soon."""
        slots, name = self._slots_for(tool), f"{agent.name}.{tool.name}"
        slots.require_room(name)
        return None if slots.has_room(name) else slots.describe_shortage(name)

    @property
    def tool_loads(self) -> Mapping[str, ToolLoad]:
        """What tools occupy, and how often they exceeded their time, by agent and tool."""
        return {**self.thread_pool.slots.active_loads, **self.processes.slots.active_loads}

    @property
    def stuck_tools(self) -> tuple[str, ...]:
        """A sentence for each tool that cannot run, because earlier calls of it do not end."""
        kinds = (self.thread_pool.slots, self.processes.slots)
        return tuple(
            f"{name} cannot run: {load.hanging} of its calls do not end; restart this process"
            for slots in kinds
            for name, load in slots.active_loads.items()
            if load.hanging >= slots.max_per_tool
        )

    @property
    def is_exhausted(self) -> bool:
        """Whether no tool can run in a thread, because calls past their time occupy all."""
        return self.thread_pool.slots.is_exhausted

    def close(self) -> None:
        """Begin nothing new. What hangs is left to the end of this process; other processes are gone already."""
        self.thread_pool.executor.shutdown(wait=False, cancel_futures=True)

    def _slots_for(self, tool: Tool) -> ToolSlots:
        return self.processes.slots if tool.isolation == "process" else self.thread_pool.slots

    async def _call(
        self,
        agent: Agent,
        tool: Tool,
        function_name: FunctionName,
        arguments: dict[str, Any],
        context: ToolContext,
        before_call: Callable[[], None] = lambda: None,
    ) -> Any:
        """Call one function of the tool, and `before` right before it. Raises Late of `before`, and ToolRaised."""
        invocation = Invocation(agent.name, tool, function_name, context, arguments)
        try:
            if tool.isolation == "process":
                return await self.processes.call(invocation, before_call)
            return await self._call_in_thread(invocation, before_call)
        except ToolCallError as error:
            self._log_failure(invocation, error)
            raise
        except (CallNotStarted, ToolStopped) as error:
            found = ToolCallError(error, kind=type(error).__name__, where=function_location(tool, function_name))
            self._log_failure(invocation, found)
            raise found from error

    async def _call_in_thread(self, invocation: Invocation, before_call: Callable[[], None]) -> Any:
        def work() -> Any:
            """Errors are returned: some of them would end the loop, or be lost on their way to it."""
            try:
                before_call()
                return invoke(invocation)
            except LeaseExpired as late:
                return late
            except BaseException as error:  # noqa: BLE001 - whatever a tool does, its end must reach the ledger
                return to_call_error(error, invocation.context)

        value = await self.thread_pool.call(invocation.name, work, invocation.tool.timeout)
        if isinstance(value, LeaseExpired | ToolCallError):
            raise value
        return value

    def _log_failure(self, invocation: Invocation, error: ToolCallError) -> None:
        """The operator gets all there is; of what a tool says in our own words the place suffices."""
        exceeded = isinstance(error.error, ToolTimeout)
        expected = isinstance(error.error, HandrailError)
        log(
            LogEvent.TOOL_TIMED_OUT if exceeded else LogEvent.TOOL_FAILED,
            level="warning" if expected else "error",
            effect_key=f"{invocation.function_name}:{invocation.context.key}",
            agent=invocation.agent,
            tool=invocation.tool.name,
            seconds=invocation.tool.timeout if exceeded else None,
            count=self._slots_for(invocation.tool).loads[invocation.name].exceeded if exceeded else None,
            error=error.kind,
            where=error.where,
            traceback=None if expected else error.trace or None,
        )

    def _tool_context(self, agent: Agent, key: str) -> ToolContext:
        return ToolContext(key=key, environment=self.roster.environment_for(agent))


def _failure_outcome(call_error: ToolCallError, effect: EffectClass) -> ToolOutcome:
    """What an error leaves behind. Only a tool's own word counts as "nothing happened"; anything else is doubt."""
    error, text, where = call_error.error, call_error.message, call_error.where
    if isinstance(error, CallNotStarted):
        return ToolOutcome("again", text, stage="unbegun")
    doubtful = isinstance(error, Retryable) or not isinstance(error, HandrailError)
    if not doubtful:
        return ToolOutcome("failed", text, where=where)
    if effect == "once":
        return ToolOutcome("unknown", text, where=where)
    retry = isinstance(error, Retryable | TimeoutError) or effect == "verifiable"
    return ToolOutcome("again" if retry else "failed", text, where=where)


def next_retry_at(
    attempt: int, jitter: float, now: datetime, retry_after: float | None = None, max_seconds: float = 300.0
) -> datetime:
    """When to try again: 1, 2, 4 … `longest` seconds with full jitter above half, never sooner than was asked for."""
    seconds = min(max_seconds, 2.0 ** min(max(0, attempt - 1), 30)) * (0.5 + jitter / 2)
    return now + timedelta(seconds=max(seconds, retry_after or 0.0))
