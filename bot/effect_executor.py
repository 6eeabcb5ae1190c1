"""Perform one effect: one arm each. Every arm ends in `record`, and writes nothing once it is no longer wanted."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, assert_never

from agents.addresses import ENGINE
from agents.agent import Agent
from agents.completion import Completion, CompletionOutcome
from agents.deciders import add_decider_names
from agents.effects import AskHuman, CallModel, Prefetch, RecoverTool, RunTool, WorkEffect
from agents.errors import DuplicateCode, InvalidArguments
from agents.event_stamp import EventStamp
from agents.events import BudgetReached, KnownEvent, ReplyChosen, ToolFailed, ToolStarted
from agents.interpret import events_for_tool_call, rejected_prefetch
from agents.messages import Receipt
from agents.model import Model, ModelRequest
from agents.next_step import next_work
from agents.prompt import render_prompt
from agents.request_factory import budget_request, repeated_failure_request
from agents.state import CurrentCall, ThreadState
from agents.steps import CallTool, DoneForNow
from agents.tools import Tool
from bot.engine import CommitResult, Engine
from bot.ids import Clock, IdGenerator
from bot.lease import Lease, LeaseExpired
from bot.log import LogEvent, log
from bot.missing_agents import missing_agent, pause_without_agent
from bot.model_calls import ChosenStep, events_for_completion, events_for_failed_call
from bot.reply_streams import ReplyStreams
from bot.roster import Roster
from bot.tool_call_outcomes import blocked_reason, final_outcome, idempotency_key, missing, outcome_events
from bot.tool_calls import ToolCallError
from bot.tool_runner import MAX_TOOL_ATTEMPTS, ToolOutcome, ToolRunner


class EventFactory(Protocol):
    """Makes events of the state as it is in the transaction, and of a moment."""

    def __call__(self, now: ThreadState, /, moment: EventStamp) -> Sequence[KnownEvent]: ...


MAX_CODE_ATTEMPTS = 10


@dataclass(frozen=True)
class EffectExecutor:
    """Executes the effects that `agents.next_step` asks for."""

    engine: Engine
    roster: Roster
    model: Model
    tool_runner: ToolRunner
    clock: Clock
    reply_streams: ReplyStreams = field(default_factory=ReplyStreams)
    ids: IdGenerator = field(default_factory=IdGenerator)

    async def execute(self, effect: WorkEffect, state: ThreadState) -> ThreadState:
        """Do it and return the state afterwards. Raises NoRoom when nothing was done because a tool is busy."""
        return (await self._execute(effect, state)).after

    async def _execute(self, effect: WorkEffect, state: ThreadState) -> CommitResult:
        if (missing := missing_agent(effect, state, self.roster.agents)) is not None:
            return await self._pause_without(missing, effect, state)
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

    async def _pause_without(self, agent: str, effect: WorkEffect, state: ThreadState) -> CommitResult:
        """Leave the work until the agent is back and a person resumes the thread."""
        build = partial(pause_without_agent, agent, tuple(self.roster.agents))
        recorded = await self._apply_if_wanted(effect, state, build)
        if recorded.events:
            log(LogEvent.AGENT_MISSING, level="error", thread_id=state.thread_id, agent=agent)
        return recorded

    async def _call_model(self, effect: CallModel, state: ThreadState) -> CommitResult:
        agent = self.roster.get_agent(state.active_agent)
        prompt = render_prompt(state, agent, self.roster.delegates_of(agent))
        async with self.reply_streams.open(state) as draft:
            completion = await self.model.complete(ModelRequest(state, agent, prompt), draft.on_partial)
            _log_model_call(state, completion)
            shown = await draft.finish() if isinstance(completion.step, DoneForNow) else None
            recorded = await self._record_completion(effect, state, agent, completion, shown)
            if shown is not None and any(isinstance(e, ReplyChosen) for e in recorded.events):
                draft.keep()
        return recorded

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
                effect, state, lambda now, moment: events_for_failed_call(now, completion, moment, jitter)
            )
        choice = ChosenStep(completion, completion.step, partial_reply_receipt=partial_reply_receipt)
        if isinstance(choice.step, CallTool):
            choice = await self._prepare(agent, choice, choice.step, state)
        build = partial(events_for_completion, agent=agent, roster=self.roster)
        return await self._apply_if_wanted(effect, state, lambda now, moment: build(now, choice, moment))

    async def _prepare(self, agent: Agent, chosen_step: ChosenStep, step: CallTool, state: ThreadState) -> ChosenStep:
        """The call with its names resolved, or why that is impossible."""
        tool = agent.get_tool(step.tool)
        if tool is None:
            return chosen_step
        try:
            arguments = await self.tool_runner.prepare(
                agent, tool, step.arguments, f"{state.thread_id}:{state.version}"
            )
        except ToolCallError as error:
            return replace(chosen_step, rejection=error.message, where=error.where)
        return replace(chosen_step, step=step.model_copy(update={"arguments": arguments}))

    async def _prefetch(self, effect: Prefetch, state: ThreadState) -> CommitResult:
        agent = self.roster.get_agent(state.active_agent)
        step = CallTool(tool=effect.tool, arguments={})
        try:
            step = step.model_copy(update={"arguments": _prefetch_arguments(agent, effect.tool)})
        except InvalidArguments as error:
            why = f"{error}; only tools without required arguments can be prefetched"
            return await self._apply_if_wanted(
                effect, state, lambda now, moment: (rejected_prefetch(now, step, why, moment, agent=agent),)
            )
        policy = self.roster.policy
        return await self._apply_if_wanted(
            effect,
            state,
            lambda now, moment: events_for_tool_call(now, step, moment, agent=agent, policy=policy, is_prefetch=True),
        )

    async def _run_tool(self, effect: RunTool, state: ThreadState) -> CommitResult:
        found = self._find_tool(effect.call, state)
        if found is None:
            log(LogEvent.TOOL_MISSING, level="warning", thread_id=state.thread_id, tool=effect.call.tool)
            return await self._apply_if_wanted(
                effect, state, partial(_failed_events, effect.call, missing(effect.call))
            )
        if effect.call.attempt > 0 and (known := await self._check_earlier_attempt(effect, state, found)) is not None:
            return known
        problem = blocked_reason(state, effect.call, found[1], self.roster.policy)
        if problem is not None:
            return await self._apply_if_wanted(effect, state, partial(_failed_events, effect.call, problem))
        return await self._start_tool(effect, state, *found)

    def _find_tool(self, call: CurrentCall, state: ThreadState) -> tuple[Agent, Tool] | None:
        agent = self.roster.agents.get(call.agent or state.agent)
        tool = agent.get_tool(call.tool) if agent else None
        return (agent, tool) if agent and tool else None

    async def _check_earlier_attempt(
        self, effect: RunTool | RecoverTool, state: ThreadState, agent_and_tool: tuple[Agent, Tool]
    ) -> CommitResult | None:
        """Before another attempt: whether an earlier one happened. None when it did not, and the call may start."""
        ended = await self.tool_runner.check(*agent_and_tool, effect.call, idempotency_key(state, effect.call))
        if ended is None or (ended.status == "again" and effect.call.is_retry_ordered):
            return None
        return await self._record_outcome(state, ended)

    async def _start_tool(
        self, effect: RunTool | RecoverTool, state: ThreadState, agent: Agent, tool: Tool
    ) -> CommitResult:
        """Write that it starts, then let it run: a crash in between is found out about, never hidden."""
        call = effect.call
        if (busy := self.tool_runner.busy_reason(agent, tool)) is not None:
            return await self._record_outcome(state, ToolOutcome("again", busy, stage="postponed"))
        key, attempt = idempotency_key(state, call), call.attempt + 1
        fence = Lease(self.clock.monotonic, self.clock.monotonic())
        recorded = await self._apply_if_wanted(effect, state, partial(_started_events, call, key, attempt))
        state = recorded.after
        if not recorded.events or state.current_call is None:
            return recorded  # it is no longer wanted, or somebody else has started it
        log(LogEvent.TOOL_STARTED, thread_id=state.thread_id, tool=tool.name, attempt=attempt)
        ended = await self._run_with_lease(
            fence, state, partial(self._run_and_check, agent, tool, state.current_call, key)
        )
        if ended is None:
            log(LogEvent.TOOL_TAKEN_OVER, level="warning", thread_id=state.thread_id, tool=tool.name, attempt=attempt)
            return recorded
        log(LogEvent.TOOL_FINISHED, thread_id=state.thread_id, tool=tool.name, outcome=ended.status)
        return await self._record_outcome(state, ended)

    async def _run_with_lease(
        self, lease: Lease, state: ThreadState, run: Callable[[Lease], Awaitable[ToolOutcome]]
    ) -> ToolOutcome | None:
        """How the attempt ended; None when others took it over before it had begun."""
        while True:
            try:
                return await run(lease)
            except LeaseExpired:
                lease = replace(lease, acquired_at=self.clock.monotonic())
                now = await self.engine.load(state.thread_id, wait_for_commits=True)
                if not _is_same_attempt(now, state):
                    return None

    async def _run_and_check(self, agent: Agent, tool: Tool, call: CurrentCall, key: str, lease: Lease) -> ToolOutcome:
        """One attempt; when its end leaves doubt and the tool can look for what it did, look before trying again."""
        ended = await self.tool_runner.run(agent, tool, call, key, lease)
        if ended.status != "again" or ended.stage == "unbegun":
            return ended
        return await self.tool_runner.check(agent, tool, call, key) or ended

    async def _recover_tool(self, effect: RecoverTool, state: ThreadState) -> CommitResult:
        """The process that started the call is gone: each class of effect has its own way to the truth."""
        found, call = self._find_tool(effect.call, state), effect.call
        if found is None or call.effect == "once":
            return await self._record_outcome(state, ToolOutcome("unknown", "the process that ran it ended"))
        if (known := await self._check_earlier_attempt(effect, state, found)) is not None:
            return known
        if call.attempt >= MAX_TOOL_ATTEMPTS:
            return await self._record_outcome(state, ToolOutcome("again", "the process that ran it ended, each time"))
        problem = blocked_reason(state, call, found[1], self.roster.policy)
        if state.lifecycle == "cancelled":
            problem = "the thread was cancelled meanwhile"
        if problem is not None:
            return await self._record_outcome(state, final_outcome(call, ToolOutcome("again", problem)))
        return await self._start_tool(effect, state, *found)

    async def _record_outcome(self, state: ThreadState, tool_outcome: ToolOutcome) -> CommitResult:
        """Nothing, once others have found out about this attempt, or have started another one: theirs is to be told."""
        jitter = self.clock.jitter()
        tool = self._find_tool_of_call(state.current_call, state) if state.current_call else None
        trusted = tool is not None and tool.trusted_results

        def build(now: ThreadState, moment: EventStamp) -> Sequence[KnownEvent]:
            if now.current_call is None or not _is_same_attempt(now, state):
                return ()
            return outcome_events(now, now.current_call, tool_outcome, moment, jitter, is_trusted=trusted)

        return await self._apply(state.thread_id, build)

    def _find_tool_of_call(self, call: CurrentCall, state: ThreadState) -> Tool | None:
        found = self._find_tool(call, state)
        return found[1] if found else None

    async def _ask_human(self, effect: AskHuman, state: ThreadState) -> CommitResult:
        return await self._apply_if_wanted(
            effect, state, lambda now, moment: self._human_request_events(effect, now, moment)
        )

    def _human_request_events(self, effect: AskHuman, state: ThreadState, moment: EventStamp) -> Sequence[KnownEvent]:
        if effect.kind is None:
            return (repeated_failure_request(state, moment),)
        used, limit = getattr(state.spent, effect.kind), getattr(state.budget, effect.kind)
        reached = BudgetReached(at=moment.now, actor=ENGINE, kind=effect.kind, limit=limit, used=used)
        return (reached, budget_request(state, effect.kind, self.roster.policy, moment))

    async def _apply_if_wanted(self, effect: WorkEffect, state: ThreadState, make_events: EventFactory) -> CommitResult:
        """Record what `build` makes of the state as it is now, unless the effect is no longer wanted."""

        def still_wanted(now: ThreadState, moment: EventStamp) -> Sequence[KnownEvent]:
            return make_events(now, moment) if any(w.key == effect.key for w in next_work(now)) else ()

        return await self._apply(state.thread_id, still_wanted)

    async def _apply(self, thread_id: str, make_events: EventFactory) -> CommitResult:
        """Record with fresh names, and with fresher ones should a code have been given out before."""

        def named(now: ThreadState, moment: EventStamp) -> Sequence[KnownEvent]:
            return [add_decider_names(event, self.roster.people) for event in make_events(now, moment)]

        for _ in range(MAX_CODE_ATTEMPTS):
            with suppress(DuplicateCode):
                return await self.engine.apply(thread_id, partial(named, moment=self.ids.new_stamp(self.clock.now())))
        raise DuplicateCode


def _prefetch_arguments(agent: Agent, name: str) -> dict[str, object]:
    """The arguments of a tool that is called with none. Raises InvalidArguments."""
    tool = agent.get_tool(name)
    return tool.validate_arguments({}) if tool else {}


def _log_model_call(state: ThreadState, completion: Completion) -> None:
    """The words of a provider are told, those of a model are not."""
    outcome, model = completion.outcome, completion.model
    if outcome in (CompletionOutcome.OK, CompletionOutcome.DEFERRED):
        log(LogEvent.MODEL_CALLED, thread_id=state.thread_id, outcome=outcome, model=model)
        return
    reason = None if outcome is CompletionOutcome.REFUSED else completion.detail
    log(LogEvent.MODEL_FAILED, level="warning", thread_id=state.thread_id, outcome=outcome, model=model, reason=reason)


def _is_same_attempt(now: ThreadState, expected: ThreadState) -> bool:
    """Whether what is under way there is what we know of, whatever people have said meanwhile."""
    if now.current_call is None or expected.current_call is None:
        return False
    fields = ("call_id", "attempt", "phase", "consecutive_delays")
    return all(getattr(now.current_call, name) == getattr(expected.current_call, name) for name in fields)


def _started_events(
    call: CurrentCall, key: str, attempt: int, _now: ThreadState, moment: EventStamp
) -> Sequence[KnownEvent]:
    return (ToolStarted(at=moment.now, actor=ENGINE, call_id=call.call_id, key=key, attempt=attempt),)


def _failed_events(call: CurrentCall, error: str, _now: ThreadState, moment: EventStamp) -> Sequence[KnownEvent]:
    return (ToolFailed(at=moment.now, actor=ENGINE, call_id=call.call_id, error=error, trusted=True),)
