"""Perform one effect: one arm each. Every arm ends in `record`, and writes nothing once it is no longer wanted."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, assert_never

from agents.addresses import ENGINE
from agents.agent import Agent
from agents.completion import Completion, Outcome
from agents.deciders import with_names
from agents.effects import AskHuman, CallModel, Prefetch, RecoverTool, RunTool, Work
from agents.errors import CodeTaken, InvalidArguments
from agents.events import BudgetReached, KnownEvent, ReplyChosen, ToolFailed, ToolStarted
from agents.interpret import call_tool, refused_prefetch
from agents.messages import Receipt
from agents.model import Model, Turn
from agents.moment import Moment
from agents.next_step import work
from agents.opening import ask_after_failures, ask_for_budget
from agents.prompt import render_prompt
from agents.state import OpenCall, ThreadState
from agents.steps import CallTool, DoneForNow
from agents.tools import Tool
from bot.choosing import Choice, chosen, ended_without_step
from bot.drafts import Drafts
from bot.engine import Engine, Recorded
from bot.fence import Fence, Late
from bot.ids import Chance
from bot.ledger import given_up, key_of, missing, objection, outcome
from bot.log import Action, log
from bot.missing_agents import missing_agent, pause_without_agent
from bot.roster import Roster
from bot.running import MOST_ATTEMPTS, Ended, Runner
from bot.tool_calls import ToolRaised


class Build(Protocol):
    """Makes events of the state as it is in the transaction, and of a moment."""

    def __call__(self, now: ThreadState, /, moment: Moment) -> Sequence[KnownEvent]: ...


MOST_CODES = 10


@dataclass(frozen=True)
class Performer:
    """Carries out what `next_step` wants."""

    engine: Engine
    roster: Roster
    model: Model
    runner: Runner
    chance: Chance
    drafts: Drafts = field(default_factory=Drafts)

    async def perform(self, effect: Work, state: ThreadState) -> ThreadState:
        """Do it and return the state afterwards. Raises NoRoom when nothing was done because a tool is busy."""
        return (await self._performed(effect, state)).after

    async def _performed(self, effect: Work, state: ThreadState) -> Recorded:
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

    async def _pause_without(self, agent: str, effect: Work, state: ThreadState) -> Recorded:
        """Leave the work until the agent is back and a person resumes the thread."""
        build = partial(pause_without_agent, agent, tuple(self.roster.agents))
        recorded = await self._record(effect, state, build)
        if recorded.events:
            log(Action.AGENT_MISSING, level="error", thread_id=state.thread_id, agent=agent)
        return recorded

    async def _call_model(self, effect: CallModel, state: ThreadState) -> Recorded:
        agent = self.roster.agent(state.acting)
        prompt = render_prompt(state, agent, self.roster.asked_by(agent))
        async with self.drafts.of(state) as draft:
            completion = await self.model.complete(Turn(state, agent, prompt), draft.words)
            _log_call(state, completion)
            shown = await draft.end() if isinstance(completion.step, DoneForNow) else None
            recorded = await self._completed(effect, state, agent, completion, shown)
            if shown is not None and any(isinstance(e, ReplyChosen) for e in recorded.events):
                draft.keep()
        return recorded

    async def _completed(
        self, effect: CallModel, state: ThreadState, agent: Agent, completion: Completion, draft: Receipt | None
    ) -> Recorded:
        if completion.step is None:
            jitter = self.chance.jitter()
            return await self._record(
                effect, state, lambda now, moment: ended_without_step(now, completion, moment, jitter)
            )
        choice = Choice(completion, completion.step, draft=draft)
        if isinstance(choice.step, CallTool):
            choice = await self._prepared(agent, choice, choice.step, state)
        build = partial(chosen, agent=agent, roster=self.roster)
        return await self._record(effect, state, lambda now, moment: build(now, choice, moment))

    async def _prepared(self, agent: Agent, choice: Choice, step: CallTool, state: ThreadState) -> Choice:
        """The call with its names resolved, or why that is impossible."""
        tool = agent.tool(step.tool)
        if tool is None:
            return choice
        try:
            arguments = await self.runner.prepare(agent, tool, step.arguments, f"{state.thread_id}:{state.version}")
        except ToolRaised as error:
            return replace(choice, complaint=error.words, where=error.where)
        return replace(choice, step=step.model_copy(update={"arguments": arguments}))

    async def _prefetch(self, effect: Prefetch, state: ThreadState) -> Recorded:
        agent = self.roster.agent(state.acting)
        step = CallTool(tool=effect.tool, arguments={})
        try:
            step = step.model_copy(update={"arguments": _prefetched(agent, effect.tool)})
        except InvalidArguments as error:
            why = f"{error}; only tools without required arguments can be prefetched"
            return await self._record(
                effect, state, lambda now, moment: (refused_prefetch(now, step, why, moment, agent=agent),)
            )
        policy = self.roster.policy
        return await self._record(
            effect, state, lambda now, moment: call_tool(now, step, moment, agent=agent, policy=policy, prefetched=True)
        )

    async def _run_tool(self, effect: RunTool, state: ThreadState) -> Recorded:
        found = self._found(effect.call, state)
        if found is None:
            log(Action.TOOL_MISSING, level="warning", thread_id=state.thread_id, tool=effect.call.tool)
            return await self._record(effect, state, partial(_failed, effect.call, missing(effect.call)))
        if effect.call.attempt > 0 and (known := await self._looked(effect, state, found)) is not None:
            return known
        problem = objection(state, effect.call, found[1], self.roster.policy)
        if problem is not None:
            return await self._record(effect, state, partial(_failed, effect.call, problem))
        return await self._start(effect, state, *found)

    def _found(self, call: OpenCall, state: ThreadState) -> tuple[Agent, Tool] | None:
        agent = self.roster.agents.get(call.agent or state.agent)
        tool = agent.tool(call.tool) if agent else None
        return (agent, tool) if agent and tool else None

    async def _looked(
        self, effect: RunTool | RecoverTool, state: ThreadState, found: tuple[Agent, Tool]
    ) -> Recorded | None:
        """Before another attempt: whether an earlier one happened. None when it did not, and the call may start."""
        ended = await self.runner.look(*found, effect.call, key_of(state, effect.call))
        if ended is None or (ended.how == "again" and effect.call.insisted):
            return None
        return await self._write_outcome(state, ended)

    async def _start(self, effect: RunTool | RecoverTool, state: ThreadState, agent: Agent, tool: Tool) -> Recorded:
        """Write that it starts, then let it run: a crash in between is found out about, never hidden."""
        call = effect.call
        if (busy := self.runner.obstacle(agent, tool)) is not None:
            return await self._write_outcome(state, Ended("again", busy, stage="postponed"))
        key, attempt = key_of(state, call), call.attempt + 1
        fence = Fence(self.chance.elapsed, self.chance.elapsed())
        recorded = await self._record(effect, state, partial(_started, call, key, attempt))
        state = recorded.after
        if not recorded.events or state.call is None:
            return recorded  # it is no longer wanted, or somebody else has started it
        log(Action.TOOL_STARTED, thread_id=state.thread_id, tool=tool.name, attempt=attempt)
        ended = await self._in_time(fence, state, partial(self._run_and_look, agent, tool, state.call, key))
        if ended is None:
            log(Action.TOOL_LEFT_TO_OTHERS, level="warning", thread_id=state.thread_id, tool=tool.name, attempt=attempt)
            return recorded
        log(Action.TOOL_FINISHED, thread_id=state.thread_id, tool=tool.name, outcome=ended.how)
        return await self._write_outcome(state, ended)

    async def _in_time(
        self, fence: Fence, state: ThreadState, run: Callable[[Fence], Awaitable[Ended]]
    ) -> Ended | None:
        """How the attempt ended; None when others took it over before it had begun."""
        while True:
            try:
                return await run(fence)
            except Late:
                fence = replace(fence, known=self.chance.elapsed())
                now = await self.engine.load(state.thread_id, settled=True)
                if not _same_attempt(now, state):
                    return None

    async def _run_and_look(self, agent: Agent, tool: Tool, call: OpenCall, key: str, fence: Fence) -> Ended:
        """One attempt; when its end leaves doubt and the tool can look for what it did, look before trying again."""
        ended = await self.runner.run(agent, tool, call, key, fence)
        if ended.how != "again" or ended.stage == "unbegun":
            return ended
        return await self.runner.look(agent, tool, call, key) or ended

    async def _recover_tool(self, effect: RecoverTool, state: ThreadState) -> Recorded:
        """The process that started the call is gone: each class of effect has its own way to the truth."""
        found, call = self._found(effect.call, state), effect.call
        if found is None or call.effect == "once":
            return await self._write_outcome(state, Ended("unknown", "the process that ran it ended"))
        if (known := await self._looked(effect, state, found)) is not None:
            return known
        if call.attempt >= MOST_ATTEMPTS:
            return await self._write_outcome(state, Ended("again", "the process that ran it ended, each time"))
        problem = objection(state, call, found[1], self.roster.policy)
        if state.life == "cancelled":
            problem = "the thread was cancelled meanwhile"
        if problem is not None:
            return await self._write_outcome(state, given_up(call, Ended("again", problem)))
        return await self._start(effect, state, *found)

    async def _write_outcome(self, state: ThreadState, ended: Ended) -> Recorded:
        """Nothing, once others have found out about this attempt, or have started another one: theirs is to be told."""
        jitter = self.chance.jitter()
        tool = self._tool_of(state.call, state) if state.call else None
        trusted = tool is not None and tool.trusted_results

        def build(now: ThreadState, moment: Moment) -> Sequence[KnownEvent]:
            if now.call is None or not _same_attempt(now, state):
                return ()
            return outcome(now, now.call, ended, moment, jitter, trusted=trusted)

        return await self._written(state.thread_id, build)

    def _tool_of(self, call: OpenCall, state: ThreadState) -> Tool | None:
        found = self._found(call, state)
        return found[1] if found else None

    async def _ask_human(self, effect: AskHuman, state: ThreadState) -> Recorded:
        return await self._record(effect, state, lambda now, moment: self._asked(effect, now, moment))

    def _asked(self, effect: AskHuman, state: ThreadState, moment: Moment) -> Sequence[KnownEvent]:
        if effect.kind is None:
            return (ask_after_failures(state, moment),)
        used, limit = getattr(state.spent, effect.kind), getattr(state.budget, effect.kind)
        reached = BudgetReached(at=moment.now, actor=ENGINE, kind=effect.kind, limit=limit, used=used)
        return (reached, ask_for_budget(state, effect.kind, self.roster.policy, moment))

    async def _record(self, effect: Work, state: ThreadState, build: Build) -> Recorded:
        """Record what `build` makes of the state as it is now, unless the effect is no longer wanted."""

        def still_wanted(now: ThreadState, moment: Moment) -> Sequence[KnownEvent]:
            return build(now, moment) if any(w.key == effect.key for w in work(now)) else ()

        return await self._written(state.thread_id, still_wanted)

    async def _written(self, thread_id: str, build: Build) -> Recorded:
        """Record with fresh names, and with fresher ones should a code have been given out before."""

        def named(now: ThreadState, moment: Moment) -> Sequence[KnownEvent]:
            return [with_names(event, self.roster.people) for event in build(now, moment)]

        for _ in range(MOST_CODES):
            with suppress(CodeTaken):
                return await self.engine.record(thread_id, partial(named, moment=self.chance.moment()))
        raise CodeTaken


def _prefetched(agent: Agent, name: str) -> dict[str, object]:
    """The arguments of a tool that is called with none. Raises InvalidArguments."""
    tool = agent.tool(name)
    return tool.validated({}) if tool else {}


def _log_call(state: ThreadState, completion: Completion) -> None:
    """The words of a provider are told, those of a model are not."""
    outcome, model = completion.outcome, completion.model
    if outcome in (Outcome.OK, Outcome.POSTPONED):
        log(Action.MODEL_CALLED, thread_id=state.thread_id, outcome=outcome, model=model)
        return
    reason = None if outcome is Outcome.REFUSED else completion.detail
    log(Action.MODEL_FAILED, level="warning", thread_id=state.thread_id, outcome=outcome, model=model, reason=reason)


def _same_attempt(now: ThreadState, ours: ThreadState) -> bool:
    """Whether what is under way there is what we know of, whatever people have said meanwhile."""
    if now.call is None or ours.call is None:
        return False
    fields = ("call_id", "attempt", "phase", "delays")
    return all(getattr(now.call, name) == getattr(ours.call, name) for name in fields)


def _started(call: OpenCall, key: str, attempt: int, _now: ThreadState, moment: Moment) -> Sequence[KnownEvent]:
    return (ToolStarted(at=moment.now, actor=ENGINE, call_id=call.call_id, key=key, attempt=attempt),)


def _failed(call: OpenCall, error: str, _now: ThreadState, moment: Moment) -> Sequence[KnownEvent]:
    return (ToolFailed(at=moment.now, actor=ENGINE, call_id=call.call_id, error=error, trusted=True),)
