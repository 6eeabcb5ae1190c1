"""Run tools, one attempt at a time and outside any transaction, and classify the outcome (ADR 0019)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agents.core.agent import Agent
from agents.core.errors import HandrailError, InvalidArguments, Retryable, Unavailable
from agents.core.event_base import FailureStage
from agents.core.policy import EffectClass
from agents.core.state import CurrentCall
from agents.core.tools import Tool, ToolContext, ToolResult
from bot.execution.tools.calls import (
    FunctionName,
    Invocation,
    ToolCallError,
    ToolStopped,
    ToolTimeout,
    function_location,
    invoke,
    to_call_error,
)
from bot.execution.tools.limits import CallNotStarted, ToolCallLimits, ToolLoad, ToolThreadPool
from bot.execution.tools.processes import ToolProcesses
from bot.log import LogEvent, log
from bot.services.roster import Roster

LEASE_SECONDS = 5.0
"""Shorter than 6 s, the least time without a heartbeat after which a process counts as dead."""


class LeaseExpired(Exception):
    """This process must read the log again before it starts the tool: another worker may have taken over the call."""


@dataclass(frozen=True)
class Lease:
    """Lease for starting a tool: LEASE_SECONDS from the time at which this process was last known to own the attempt.

    If the process stalled for longer after committing ToolStarted, another worker may have taken over and run the tool.
    This process must read the log again before it starts the tool. The version check alone only prevents stale writes.
    """

    monotonic: Callable[[], float]
    acquired_at: float

    def check(self) -> None:
        """Raise LeaseExpired if the lease is over. Call this right before the tool runs, in its OS thread."""
        if self.monotonic() - self.acquired_at > LEASE_SECONDS:
            raise LeaseExpired


MAX_TOOL_ATTEMPTS = 3


@dataclass(frozen=True)
class ToolOutcome:
    """Outcome of an attempt. The status is `unknown` when it cannot be determined whether the tool had its effect.

    `stage` names what failed, unless it was the run itself. `where` is the file and line, for the operator.
    """

    status: Literal["succeeded", "failed", "retry", "unknown"]
    text: str
    result: ToolResult | None = None
    stage: FailureStage | None = None
    where: str | None = None


@dataclass(frozen=True)
class ToolRunner:
    """Calls tools in OS threads or child processes. Each tool has a bounded share of them and cannot block others."""

    roster: Roster
    thread_pool: ToolThreadPool = field(default_factory=ToolThreadPool)
    processes: ToolProcesses = field(default_factory=ToolProcesses)

    async def prepare(self, agent: Agent, tool: Tool, arguments: dict[str, Any], key: str) -> dict[str, Any]:
        """Return the arguments as resolved by the tool's `prepare`, as canonical JSON values. Raises ToolCallError.

        They are unchanged if the tool has no `prepare`.
        """
        if tool.prepare is None:
            return arguments
        resolved: dict[str, Any] = await self._call(agent, tool, "prepare", arguments, self._tool_context(agent, key))
        return resolved

    async def prepare_edit(self, agent: Agent, tool: Tool, arguments: dict[str, Any], key: str) -> dict[str, Any]:
        """Prepare the arguments that a person edited. Raises InvalidArguments, and Unavailable if it may work later."""
        try:
            return await self.prepare(agent, tool, arguments, key)
        except ToolCallError as raised:
            if isinstance(raised.error, Retryable):
                raise Unavailable(raised.message, retry_after=raised.error.retry_after) from raised
            raise InvalidArguments(raised.message) from raised

    async def run(self, agent: Agent, tool: Tool, call: CurrentCall, key: str, lease: Lease) -> ToolOutcome:
        """Run one attempt. Raises LeaseExpired when the lease expired before the tool started."""
        try:
            result: ToolResult = await self._call(
                agent, tool, "run", call.arguments, self._tool_context(agent, key), lease.check
            )
        except ToolCallError as error:
            return _failure_outcome(error, tool.defaults.effect)
        return ToolOutcome("succeeded", result.summary, result)

    async def check(self, agent: Agent, tool: Tool, call: CurrentCall, key: str) -> ToolOutcome | None:
        """Ask the tool's `check` whether an earlier attempt had its effect.

        Return `succeeded` if it had, `retry` if the check failed, and None if it had not or the tool has no check.
        """
        if tool.check is None:
            return None
        try:
            found: ToolResult | None = await self._call(
                agent, tool, "check", call.arguments, self._tool_context(agent, key)
            )
        except ToolCallError as error:
            text = f"could not check whether {tool.name} took effect: {error.message}"
            return ToolOutcome("retry", text, stage="check", where=error.where)
        return None if found is None else ToolOutcome("succeeded", found.summary, found)

    def hanging_calls_reason(self, agent: Agent, tool: Tool) -> str | None:
        """Return the reason if hanging calls keep the tool from starting, else None.

        Raises NoRoom if the call only has to wait for running calls.
        """
        limits, name = self._limits_of(tool), f"{agent.name}.{tool.name}"
        limits.require_room(name)
        return None if limits.has_room(name) else limits.describe_shortage(name)

    @property
    def tool_loads(self) -> Mapping[str, ToolLoad]:
        """The load of each active tool, by `agent.tool`."""
        return {**self.thread_pool.limits.active_loads, **self.processes.limits.active_loads}

    @property
    def stuck_tools(self) -> tuple[str, ...]:
        """A message for each tool that cannot run because earlier calls of it hang."""
        return tuple(
            f"{name} cannot run: {load.hanging} of its calls do not end; restart this process"
            for limits in (self.thread_pool.limits, self.processes.limits)
            for name, load in limits.active_loads.items()
            if load.hanging >= limits.max_per_tool
        )

    @property
    def is_exhausted(self) -> bool:
        """Whether no tool can run in an OS thread because calls over their timeout occupy all OS threads."""
        return self.thread_pool.limits.is_exhausted

    def close(self) -> None:
        """Start no further calls. OS threads that hang end with this process; child processes have ended already."""
        self.thread_pool.executor.shutdown(wait=False, cancel_futures=True)

    def _limits_of(self, tool: Tool) -> ToolCallLimits:
        return self.processes.limits if tool.isolation == "process" else self.thread_pool.limits

    async def _call(
        self,
        agent: Agent,
        tool: Tool,
        function_name: FunctionName,
        arguments: dict[str, Any],
        context: ToolContext,
        before_call: Callable[[], None] = lambda: None,
    ) -> Any:
        """Call one function of the tool, and `before_call` right before it. Raises LeaseExpired and ToolCallError."""
        invocation = Invocation(agent.name, tool, function_name, context, arguments)
        try:
            if tool.isolation == "process":
                return await self.processes.call(invocation, before_call)
            return await self._call_in_os_thread(invocation, before_call)
        except ToolCallError as error:
            self._log_failure(invocation, error)
            raise
        except (CallNotStarted, ToolStopped) as error:
            call_error = ToolCallError(error, kind=type(error).__name__, where=function_location(tool, function_name))
            self._log_failure(invocation, call_error)
            raise call_error from error

    async def _call_in_os_thread(self, invocation: Invocation, before_call: Callable[[], None]) -> Any:
        def work() -> Any:
            """Return errors instead of raising them: some would end the event loop or be lost in the `Future`."""
            try:
                before_call()
                return invoke(invocation)
            except LeaseExpired as expired:
                return expired
            except BaseException as error:  # noqa: BLE001 - any end of a tool must be recorded
                return to_call_error(error, invocation.context)

        value = await self.thread_pool.call(invocation.name, work, invocation.tool.timeout)
        if isinstance(value, LeaseExpired | ToolCallError):
            raise value
        return value

    def _log_failure(self, invocation: Invocation, error: ToolCallError) -> None:
        """Log a failure. A HandrailError, which a tool raises on purpose, is logged without its traceback."""
        is_timeout = isinstance(error.error, ToolTimeout)
        is_expected = isinstance(error.error, HandrailError)
        log(
            LogEvent.TOOL_TIMED_OUT if is_timeout else LogEvent.TOOL_FAILED,
            level="warning" if is_expected else "error",
            effect_key=f"{invocation.function_name}:{invocation.context.key}",
            agent=invocation.agent,
            tool=invocation.tool.name,
            seconds=invocation.tool.timeout if is_timeout else None,
            count=self._limits_of(invocation.tool).loads[invocation.name].timeout_count if is_timeout else None,
            error=error.kind,
            where=error.where,
            traceback=None if is_expected else error.trace or None,
        )

    def _tool_context(self, agent: Agent, key: str) -> ToolContext:
        return ToolContext(key=key, environment=self.roster.environment_for(agent))


def _failure_outcome(call_error: ToolCallError, effect_class: EffectClass) -> ToolOutcome:
    """Classify an error.

    The tool had no effect if it was not started or raised a HandrailError that is not retryable.
    """
    error, text, where = call_error.error, call_error.message, call_error.where
    if isinstance(error, CallNotStarted):
        return ToolOutcome("retry", text, stage="not_started")
    is_uncertain = isinstance(error, Retryable) or not isinstance(error, HandrailError)
    if not is_uncertain:
        return ToolOutcome("failed", text, where=where)
    if effect_class == "once":
        return ToolOutcome("unknown", text, where=where)
    may_retry = isinstance(error, Retryable | TimeoutError) or effect_class == "verifiable"
    return ToolOutcome("retry" if may_retry else "failed", text, where=where)
