"""From a chosen step to what follows from it: deterministic, outside the model (factors 1, 4 and 8)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, assert_never

from agents.addresses import Address
from agents.agent import Agent
from agents.digest import call_digest
from agents.events import (
    KnownEvent,
    ReplyChosen,
    RequestOpened,
    ThreadFinished,
    TimerSet,
    ToolCalled,
    ToolSucceeded,
)
from agents.messages import Provenance
from agents.moment import Moment
from agents.opening import agent_address, ask_for_call, ask_question
from agents.policy import Policy, Verdict
from agents.schema import ASK_AGENT
from agents.state import OpenCall, ThreadState
from agents.steps import AskAgent, Await, CallTool, DoneForNow, NothingToDo, RequestHumanInput, Step
from agents.tools import Tool


def interpret(
    state: ThreadState, step: Step, moment: Moment, *, agent: Agent, policy: Policy, agents: Mapping[str, Agent]
) -> tuple[KnownEvent, ...]:
    """The events that follow a step. A tool's arguments have been prepared already; nothing runs here.

    `agents` are all there are, by name.
    """
    actor = agent_address(state)
    match step:
        case CallTool():
            return call_tool(state, step, moment, agent=agent, policy=policy)
        case RequestHumanInput():
            return (ask_question(state, step, moment),)
        case AskAgent():
            return (_ask_agent(state, step, moment, agent, agents),)
        case DoneForNow() | NothingToDo():
            return _answered(state, step, moment) if state.asked else _rested(step, actor, moment)
        case Await():
            fires_at = moment.now + timedelta(seconds=step.seconds)
            return (TimerSet(at=moment.now, actor=actor, fires_at=fires_at, reason=step.reason),)
        case _:
            assert_never(step)


def call_tool(
    state: ThreadState, step: CallTool, moment: Moment, *, agent: Agent, policy: Policy, prefetched: bool = False
) -> tuple[KnownEvent, ...]:
    """The call with policy's verdict on it and, where people are to be asked, the request."""
    tool = agent.tool(step.tool)
    verdict = policy.verdict(step.tool, step.arguments, stance=tool.stance if tool else None, trusted=state.is_trusted)
    called = _called(state, step, verdict, moment, tool=tool, prefetched=prefetched)
    return (called, *_asked(state, called, verdict, moment))


def refused_call(
    state: ThreadState, step: CallTool, reason: str, moment: Moment, *, agent: Agent, where: str | None = None
) -> ToolCalled:
    """A call that makes no sense, as its own preparation found at `where`: nothing is asked and nothing runs."""
    verdict = Verdict(answer="deny", rule="preparation", reason=reason)
    called = _called(state, step, verdict, moment, tool=agent.tool(step.tool))
    return called.model_copy(update={"where": where})


def refused_prefetch(state: ThreadState, step: CallTool, reason: str, moment: Moment, *, agent: Agent) -> ToolCalled:
    """A prefetch that makes no sense; the thread goes on without it."""
    return refused_call(state, step, reason, moment, agent=agent).model_copy(update={"prefetched": True})


def _ask_agent(
    state: ThreadState, step: AskAgent, moment: Moment, agent: Agent, agents: Mapping[str, Agent]
) -> ToolCalled:
    """Asking is no act: what the other one does passes policy as ever. Who waits for an answer cannot be asked."""
    complaint = _objection(state, step.agent, agent, agents)
    call = CallTool(tool=ASK_AGENT, arguments={"agent": step.agent, "message": step.message})
    if complaint is not None:
        return refused_call(state, call, complaint, moment, agent=agent)
    allowed = Verdict(answer="allow", rule="asking is no act")
    called = _called(state, call, allowed, moment, tool=None)
    return called.model_copy(update={"effect": "read", "prefetch": agents[step.agent].prefetch})


def _objection(state: ThreadState, asked: str, agent: Agent, agents: Mapping[str, Agent]) -> str | None:
    if asked not in agent.asks or asked not in agents:
        return f"{agent.name} may not ask {asked}"
    if asked in (state.agent, *(earlier.agent for earlier in state.asked)):
        return f"{asked} waits for an answer itself, so it cannot be asked now"
    return None


def _answered(state: ThreadState, step: DoneForNow | NothingToDo, moment: Moment) -> tuple[KnownEvent, ...]:
    """The last word of an asked agent goes to the one that asked, not to people."""
    words = step.message if isinstance(step, DoneForNow) else step.reason
    answer = ToolSucceeded(
        at=moment.now,
        actor=agent_address(state),
        provenance=Provenance.MODEL,
        call_id=state.asked[-1].call_id,
        summary=words,
        trusted=state.is_trusted,
    )
    return (answer,)


def _rested(step: DoneForNow | NothingToDo, actor: Address, moment: Moment) -> tuple[KnownEvent, ...]:
    if isinstance(step, NothingToDo):
        return (ThreadFinished(at=moment.now, actor=actor, reason=step.reason),)
    reply = ReplyChosen(at=moment.now, actor=actor, provenance=Provenance.MODEL, text=step.message)
    return (reply, ThreadFinished(at=moment.now, actor=actor, reason="done for now"))


def _called(
    state: ThreadState, step: CallTool, verdict: Verdict, moment: Moment, *, tool: Tool | None, prefetched: bool = False
) -> ToolCalled:
    call_id = f"call_{moment.fresh}"
    version = tool.version if tool else 0
    return ToolCalled(
        at=moment.now,
        actor=agent_address(state),
        provenance=Provenance.MODEL,
        call_id=call_id,
        tool=step.tool,
        tool_version=version,
        effect=tool.stance.effect if tool else "once",
        arguments=step.arguments,
        digest=call_digest(state.thread_id, call_id, step.tool, version, step.arguments),
        verdict=verdict.model_copy(update={"ask": None}),  # the terms are in the request
        prefetched=prefetched,
        trusted=tool is None or tool.prepare is None or tool.trusted_results,
    )


def _asked(state: ThreadState, called: ToolCalled, verdict: Verdict, moment: Moment) -> tuple[RequestOpened, ...]:
    if verdict.answer != "ask":
        return ()
    facts: dict[str, Any] = called.model_dump(
        include={"call_id", "tool", "tool_version", "effect", "arguments", "digest"}
    )
    return (ask_for_call(state, OpenCall(**facts, phase="asked"), verdict, moment),)
