"""From a chosen step to what follows from it: deterministic, outside the model (factors 1, 4 and 8)."""

from datetime import timedelta
from typing import Any, assert_never

from agents.agent import Agent
from agents.digest import call_digest
from agents.events import KnownEvent, ReplyChosen, RequestOpened, ThreadFinished, TimerSet, ToolCalled
from agents.messages import Provenance
from agents.moment import Moment
from agents.opening import agent_address, ask_for_call, ask_question
from agents.policy import Policy, Verdict
from agents.state import OpenCall, ThreadState
from agents.steps import Await, CallTool, DoneForNow, NothingToDo, RequestHumanInput, Step
from agents.tools import Tool


def interpret(
    state: ThreadState, step: Step, moment: Moment, *, agent: Agent, policy: Policy
) -> tuple[KnownEvent, ...]:
    """The events that follow a step. A tool's arguments have been prepared already; nothing runs here."""
    actor = agent_address(state)
    match step:
        case CallTool():
            return call_tool(state, step, moment, agent=agent, policy=policy)
        case RequestHumanInput():
            return (ask_question(state, step, moment),)
        case DoneForNow():
            reply = ReplyChosen(at=moment.now, actor=actor, provenance=Provenance.MODEL, text=step.message)
            return (reply, ThreadFinished(at=moment.now, actor=actor, reason="done for now"))
        case NothingToDo():
            return (ThreadFinished(at=moment.now, actor=actor, reason=step.reason),)
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
    verdict = policy.verdict(step.tool, step.arguments, stance=tool.stance if tool else None, trusted=state.trusted)
    called = _called(state, step, verdict, moment, tool=tool, prefetched=prefetched)
    return (called, *_asked(state, called, verdict, moment))


def refused_call(state: ThreadState, step: CallTool, reason: str, moment: Moment, *, agent: Agent) -> ToolCalled:
    """A call that makes no sense, as its own preparation found: nobody is asked and nothing runs."""
    verdict = Verdict(answer="deny", rule="preparation", reason=reason)
    return _called(state, step, verdict, moment, tool=agent.tool(step.tool))


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
    )


def _asked(state: ThreadState, called: ToolCalled, verdict: Verdict, moment: Moment) -> tuple[RequestOpened, ...]:
    if verdict.answer != "ask":
        return ()
    facts: dict[str, Any] = called.model_dump(
        include={"call_id", "tool", "tool_version", "effect", "arguments", "digest"}
    )
    return (ask_for_call(state, OpenCall(**facts, phase="asked"), verdict, moment),)
