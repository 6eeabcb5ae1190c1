"""Execute one effect of a thread. The result is recorded only if the thread still needs that effect."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, assert_never

from agents.core.agent import Agent
from agents.core.completion import Completion, CompletionOutcome
from agents.core.errors import DuplicateCode, InvalidArguments
from agents.core.events import BudgetReached, KnownEvent, ReplyChosen, ToolFailed, ToolStarted
from agents.core.interpret import events_for_tool_call, rejected_prefetch
from agents.core.messages import Receipt
from agents.core.next_step import AskHuman, CallModel, Prefetch, RecoverTool, RunTool, WorkEffect, next_work
from agents.core.request_factory import add_decider_names, budget_request, repeated_failure_request
from agents.core.state import CurrentCall, ThreadState
from agents.core.steps import CallTool, DoneForNow
from agents.core.tools import Tool
from agents.core.values import ENGINE, EventStamp
from agents.llm.base import Model, ModelRequest
from agents.llm.prompt import render_prompt
from bot.delivery.feedback import ReplyStreams
from bot.execution.missing_agents import missing_agent, pause_without_agent
from bot.execution.model_calls import ChosenStep, events_for_completion, events_for_failed_model_call
from bot.execution.tools.calls import ToolCallError
from bot.execution.tools.outcomes import (
    blocked_reason,
    final_outcome,
    idempotency_key,
    missing_tool_message,
    outcome_events,
)
from bot.execution.tools.runner import MAX_TOOL_ATTEMPTS, Lease, LeaseExpired, ToolOutcome, ToolRunner
from bot.log import LogEvent, log
from bot.services.engine import CommitResult, Engine
from bot.services.ids import Clock, IdGenerator
from bot.services.roster import Roster


class EventFactory(Protocol):
    """Builds events from the state that the commit builds on, and from a stamp with time and new ids.

    The state is the caller's, or a newer one after a conflict.
    """

    def __call__(self, current: ThreadState, /, stamp: EventStamp) -> Sequence[KnownEvent]: ...


MAX_CODE_ATTEMPTS = 10
"""Attempts to record events with a request code that is not in use."""


@dataclass(frozen=True)
class EffectExecutor:
    """Executes the effects that `next_work` returns."""

    engine: Engine
    roster: Roster
    model: Model
    tool_runner: ToolRunner
    clock: Clock
    reply_streams: ReplyStreams = field(default_factory=ReplyStreams)
    ids: IdGenerator = field(default_factory=IdGenerator)

    async def execute(self, effect: WorkEffect, state: ThreadState) -> ThreadState:
        """Execute the effect and return the new state.

        Raises NoRoom, having recorded nothing, when the call has to wait for running calls of its tool.
        """
        return (await self._execute(effect, state)).after

    async def _execute(self, effect: WorkEffect, state: ThreadState) -> CommitResult:
        if (missing := missing_agent(effect, state, self.roster.agents)) is not None:
            return await self._pause_without_agent(missing, effect, state)
        match effect:
            case CallModel():
                return await self._call_model(effect, state)
            case Prefetch():
                return await self._prefetch(effect, state)
            case RunTool():
                return await self._run_tool(effect, state)
            case RecoverTool():
                return await self._recover_tool(effect, state)
            case AskHuman():
                return await self._ask_human(effect, state)
            case _:
                assert_never(effect)

    async def _pause_without_agent(self, agent: str, effect: WorkEffect, state: ThreadState) -> CommitResult:
        """Pause the thread until the agent is configured again and a person resumes it."""
        build = partial(pause_without_agent, agent, tuple(self.roster.agents))
        result = await self._apply_if_wanted(effect, state, build)
        if result.events:
            log(LogEvent.AGENT_MISSING, level="error", thread_id=state.thread_id, agent=agent)
        return result

    async def _call_model(self, effect: CallModel, state: ThreadState) -> CommitResult:
        agent = self.roster.get_agent(state.active_agent)
        prompt = render_prompt(state, agent, self.roster.delegates_of(agent))
        async with self.reply_streams.open(state) as active_reply:
            completion = await self.model.complete(ModelRequest(state, agent, prompt), active_reply.on_partial)
            _log_model_call(state, completion)
            receipt = await active_reply.finish() if isinstance(completion.step, DoneForNow) else None
            result = await self._record_completion(effect, state, agent, completion, receipt)
            if receipt is not None and any(isinstance(e, ReplyChosen) for e in result.events):
                active_reply.keep()
        return result

    async def _record_completion(
        self,
        effect: CallModel,
        state: ThreadState,
        agent: Agent,
        completion: Completion,
        partial_reply_receipt: Receipt | None,
    ) -> CommitResult:
        if completion.step is None:
            jitter = self.clock.jitter()
            return await self._apply_if_wanted(
                effect, state, lambda current, stamp: events_for_failed_model_call(current, completion, stamp, jitter)
            )
        chosen_step = ChosenStep(completion, completion.step, partial_reply_receipt=partial_reply_receipt)
        if isinstance(chosen_step.step, CallTool):
            chosen_step = await self._prepare(agent, chosen_step, chosen_step.step, state)
        build = partial(events_for_completion, agent=agent, roster=self.roster)
        return await self._apply_if_wanted(effect, state, lambda current, stamp: build(current, chosen_step, stamp))

    async def _prepare(self, agent: Agent, chosen_step: ChosenStep, step: CallTool, state: ThreadState) -> ChosenStep:
        """Return the step with the arguments that the tool's `prepare` resolved, or with the reason for a rejection."""
        tool = agent.get_tool(step.tool)
        if tool is None:
            return chosen_step
        try:
            arguments = await self.tool_runner.prepare(
                agent, tool, step.arguments, f"{state.thread_id}:{state.version}"
            )
        except ToolCallError as error:
            return replace(chosen_step, rejection=error.message, rejection_location=error.where)
        return replace(chosen_step, step=step.model_copy(update={"arguments": arguments}))

    async def _prefetch(self, effect: Prefetch, state: ThreadState) -> CommitResult:
        agent = self.roster.get_agent(state.active_agent)
        step = CallTool(tool=effect.tool, arguments={})
        try:
            step = step.model_copy(update={"arguments": _prefetch_arguments(agent, effect.tool)})
        except InvalidArguments as error:
            reason = f"{error}; only tools without required arguments can be prefetched"
            return await self._apply_if_wanted(
                effect, state, lambda current, stamp: (rejected_prefetch(current, step, reason, stamp, agent=agent),)
            )
        policy = self.roster.policy
        return await self._apply_if_wanted(
            effect,
            state,
            lambda current, stamp: events_for_tool_call(
                current, step, stamp, agent=agent, policy=policy, is_prefetch=True
            ),
        )

    async def _run_tool(self, effect: RunTool, state: ThreadState) -> CommitResult:
        agent_and_tool = self._find_tool(effect.call, state)
        if agent_and_tool is None:
            log(LogEvent.TOOL_MISSING, level="warning", thread_id=state.thread_id, tool=effect.call.tool)
            build = partial(_failed_events, effect.call, missing_tool_message(effect.call))
            return await self._apply_if_wanted(effect, state, build)
        if effect.call.attempt > 0:
            recorded = await self._check_earlier_attempt(effect, state, agent_and_tool)
            if recorded is not None:
                return recorded
        problem = blocked_reason(state, effect.call, agent_and_tool[1], self.roster.policy)
        if problem is not None:
            return await self._apply_if_wanted(effect, state, partial(_failed_events, effect.call, problem))
        return await self._start_tool(effect, state, *agent_and_tool)

    def _find_tool(self, call: CurrentCall, state: ThreadState) -> tuple[Agent, Tool] | None:
        agent = self.roster.agents.get(call.agent or state.agent)
        tool = agent.get_tool(call.tool) if agent else None
        return (agent, tool) if agent and tool else None

    async def _check_earlier_attempt(
        self, effect: RunTool | RecoverTool, state: ThreadState, agent_and_tool: tuple[Agent, Tool]
    ) -> CommitResult | None:
        """Record the outcome of an earlier attempt.

        Return None, so that the call may start, if it had no effect, or if that is uncertain and a person wants the
        call to run anyway.
        """
        outcome = await self.tool_runner.check(*agent_and_tool, effect.call, idempotency_key(state, effect.call))
        if outcome is None or (outcome.status == "retry" and effect.call.is_retry_ordered):
            return None
        return await self._record_outcome(state, outcome)

    async def _start_tool(
        self, effect: RunTool | RecoverTool, state: ThreadState, agent: Agent, tool: Tool
    ) -> CommitResult:
        """Record ToolStarted, then run the tool, so that a crash in between is detected."""
        call = effect.call
        if (reason := self.tool_runner.hanging_calls_reason(agent, tool)) is not None:
            return await self._record_outcome(state, ToolOutcome("retry", reason, stage="postponed"))
        key, attempt = idempotency_key(state, call), call.attempt + 1
        lease = Lease(self.clock.monotonic, self.clock.monotonic())
        result = await self._apply_if_wanted(effect, state, partial(_started_events, call, key, attempt))
        state = result.after
        if not result.events or state.current_call is None:
            return result  # the thread no longer needs the call, or another worker has started it
        log(LogEvent.TOOL_STARTED, thread_id=state.thread_id, tool=tool.name, attempt=attempt)
        outcome = await self._run_with_lease(
            lease, state, partial(self._run_and_check, agent, tool, state.current_call, key)
        )
        if outcome is None:
            log(LogEvent.TOOL_TAKEN_OVER, level="warning", thread_id=state.thread_id, tool=tool.name, attempt=attempt)
            return result
        log(LogEvent.TOOL_FINISHED, thread_id=state.thread_id, tool=tool.name, outcome=outcome.status)
        return await self._record_outcome(state, outcome)

    async def _run_with_lease(
        self, lease: Lease, state: ThreadState, run: Callable[[Lease], Awaitable[ToolOutcome]]
    ) -> ToolOutcome | None:
        """Run the attempt and return its outcome. Return None if another worker took it over before it started."""
        while True:
            try:
                return await run(lease)
            except LeaseExpired:
                lease = replace(lease, acquired_at=self.clock.monotonic())
                current = await self.engine.load(state.thread_id, wait_for_commits=True)
                if not _is_same_attempt(current, state):
                    return None

    async def _run_and_check(self, agent: Agent, tool: Tool, call: CurrentCall, key: str, lease: Lease) -> ToolOutcome:
        """Run one attempt. If its outcome is uncertain and the tool has a `check`, check before a retry."""
        outcome = await self.tool_runner.run(agent, tool, call, key, lease)
        if outcome.status != "retry" or outcome.stage == "not_started":
            return outcome
        return await self.tool_runner.check(agent, tool, call, key) or outcome

    async def _recover_tool(self, effect: RecoverTool, state: ThreadState) -> CommitResult:
        """Determine the outcome of a call whose process ended, by the effect class of its tool (ADR 0004)."""
        agent_and_tool, call = self._find_tool(effect.call, state), effect.call
        if agent_and_tool is None or call.effect == "once":
            return await self._record_outcome(state, ToolOutcome("unknown", "the process that ran this call ended"))
        if (recorded := await self._check_earlier_attempt(effect, state, agent_and_tool)) is not None:
            return recorded
        if call.attempt >= MAX_TOOL_ATTEMPTS:
            reason = "the process that ran this call ended on every attempt"
            return await self._record_outcome(state, ToolOutcome("retry", reason))
        problem = blocked_reason(state, call, agent_and_tool[1], self.roster.policy)
        if state.lifecycle == "cancelled":
            problem = "the thread was cancelled"
        if problem is not None:
            return await self._record_outcome(state, final_outcome(call, ToolOutcome("retry", problem)))
        return await self._start_tool(effect, state, *agent_and_tool)

    async def _record_outcome(self, state: ThreadState, tool_outcome: ToolOutcome) -> CommitResult:
        """Record the outcome, unless another worker has recorded one for this attempt or started the next attempt."""
        jitter = self.clock.jitter()
        tool = self._find_tool_of_call(state.current_call, state) if state.current_call else None
        is_trusted = tool is not None and tool.trusted_results

        def build(current: ThreadState, stamp: EventStamp) -> Sequence[KnownEvent]:
            if current.current_call is None or not _is_same_attempt(current, state):
                return ()
            return outcome_events(current, current.current_call, tool_outcome, stamp, jitter, is_trusted=is_trusted)

        return await self._apply(state, build)

    def _find_tool_of_call(self, call: CurrentCall, state: ThreadState) -> Tool | None:
        found = self._find_tool(call, state)
        return found[1] if found else None

    async def _ask_human(self, effect: AskHuman, state: ThreadState) -> CommitResult:
        return await self._apply_if_wanted(
            effect, state, lambda current, stamp: self._human_request_events(effect, current, stamp)
        )

    def _human_request_events(self, effect: AskHuman, state: ThreadState, stamp: EventStamp) -> Sequence[KnownEvent]:
        if effect.kind is None:
            return (repeated_failure_request(state, stamp),)
        used, limit = getattr(state.spent, effect.kind), getattr(state.budget, effect.kind)
        budget_reached = BudgetReached(at=stamp.now, actor=ENGINE, kind=effect.kind, limit=limit, used=used)
        return (budget_reached, budget_request(state, effect.kind, self.roster.policy, stamp))

    async def _apply_if_wanted(self, effect: WorkEffect, state: ThreadState, make_events: EventFactory) -> CommitResult:
        """Record the events that `make_events` builds from the current state, unless the effect is no longer needed."""

        def make_if_wanted(current: ThreadState, stamp: EventStamp) -> Sequence[KnownEvent]:
            is_wanted = any(work.key == effect.key for work in next_work(current))
            return make_events(current, stamp) if is_wanted else ()

        return await self._apply(state, make_if_wanted)

    async def _apply(self, state: ThreadState, make_events: EventFactory) -> CommitResult:
        """Record events with new ids and codes. Retry with others if a code is already in use."""

        def with_decider_names(current: ThreadState, stamp: EventStamp) -> Sequence[KnownEvent]:
            return [add_decider_names(event, self.roster.people) for event in make_events(current, stamp)]

        for _ in range(MAX_CODE_ATTEMPTS):
            with suppress(DuplicateCode):
                stamp = self.ids.new_stamp(self.clock.now())
                decide = partial(with_decider_names, stamp=stamp)
                return await self.engine.apply(state.thread_id, decide, run_state=state)
        raise DuplicateCode


def _prefetch_arguments(agent: Agent, name: str) -> dict[str, object]:
    """Return the default arguments of a tool. Raises InvalidArguments if it has required ones."""
    tool = agent.get_tool(name)
    return tool.validate_arguments({}) if tool else {}


def _log_model_call(state: ThreadState, completion: Completion) -> None:
    """Log the outcome of a model call: error texts of the provider, but never text that the model generated."""
    outcome, model = completion.outcome, completion.model
    # DEFERRED: the request was not sent during a rate limit, so it did not fail.
    if outcome in (CompletionOutcome.OK, CompletionOutcome.DEFERRED):
        log(LogEvent.MODEL_CALLED, thread_id=state.thread_id, outcome=outcome, model=model)
        return
    reason = None if outcome is CompletionOutcome.REFUSED else completion.detail
    log(LogEvent.MODEL_FAILED, level="warning", thread_id=state.thread_id, outcome=outcome, model=model, reason=reason)


def _is_same_attempt(current: ThreadState, expected: ThreadState) -> bool:
    """Return whether both states have the same running attempt; messages may have arrived in between."""
    if current.current_call is None or expected.current_call is None:
        return False
    fields = ("call_id", "attempt", "phase", "consecutive_delays")
    return all(getattr(current.current_call, name) == getattr(expected.current_call, name) for name in fields)


def _started_events(
    call: CurrentCall, key: str, attempt: int, _current: ThreadState, stamp: EventStamp
) -> Sequence[KnownEvent]:
    return (ToolStarted(at=stamp.now, actor=ENGINE, call_id=call.call_id, key=key, attempt=attempt),)


def _failed_events(call: CurrentCall, error: str, _current: ThreadState, stamp: EventStamp) -> Sequence[KnownEvent]:
    return (ToolFailed(at=stamp.now, actor=ENGINE, call_id=call.call_id, error=error, trusted=True),)
