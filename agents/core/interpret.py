"""Turn a step that a model chose into events, by deterministic code."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import takewhile
from typing import Any, assert_never

from agents.core.agent import Agent
from agents.core.canonical_json import call_digest
from agents.core.events import (
    KnownEvent,
    MessageReceived,
    NoticeGiven,
    ReplyChosen,
    RequestOpened,
    StepChosen,
    ThreadFinished,
    TimerSet,
    ToolCalled,
    ToolSucceeded,
)
from agents.core.messages import Provenance
from agents.core.policy import Policy, PolicyDecision
from agents.core.request_factory import agent_address, approval_request, question_request
from agents.core.state import CurrentCall, ThreadState
from agents.core.steps import (
    ASK_AGENT_INTENT,
    AskAgent,
    Await,
    CallTool,
    DoneForNow,
    NothingToDo,
    RequestHumanInput,
    Step,
)
from agents.core.tools import Tool
from agents.core.values import EventStamp

MIN_ANNOUNCED_WAIT_SECONDS = 60
"""Shorter waits are not announced to the person who waits for a reply."""

_HUMAN_SOURCES = (Provenance.VERIFIED_PERSON, Provenance.UNVERIFIED)


def events_for_step(
    state: ThreadState, step: Step, stamp: EventStamp, *, agent: Agent, policy: Policy, agents: Mapping[str, Agent]
) -> tuple[KnownEvent, ...]:
    """Return the events that follow from a step. The arguments of a tool call must have been prepared before.

    `agents` are all agents by name.
    """
    match step:
        case CallTool():
            return events_for_tool_call(state, step, stamp, agent=agent, policy=policy)
        case RequestHumanInput():
            return (question_request(state, step, stamp),)
        case AskAgent():
            return (_delegation_call(state, step, stamp, agent, agents),)
        case DoneForNow() | NothingToDo():
            return _delegation_result(state, step, stamp) if state.delegations else _finish_events(state, step, stamp)
        case Await():
            return _wait_events(state, step, stamp)
        case _:
            assert_never(step)


def events_for_tool_call(
    state: ThreadState, step: CallTool, stamp: EventStamp, *, agent: Agent, policy: Policy, is_prefetch: bool = False
) -> tuple[KnownEvent, ...]:
    """Return the call with its policy decision and, if people must approve it, the request."""
    tool = agent.get_tool(step.tool)
    verdict = policy.evaluate(
        step.tool, step.arguments, defaults=tool.defaults if tool else None, is_trusted=state.is_trusted
    )
    called = _tool_called_event(state, step, verdict, stamp, tool=tool, is_prefetch=is_prefetch)
    return (called, *_approval_events(state, called, verdict, stamp))


def rejected_tool_call(
    state: ThreadState, step: CallTool, reason: str, stamp: EventStamp, *, agent: Agent, location: str | None = None
) -> ToolCalled:
    """Return a call that is denied for a reason other than the policy. It neither asks people nor runs.

    `location` is the file and line at which the preparation of the arguments failed.
    """
    verdict = PolicyDecision(answer="deny", rule="preparation", reason=reason)
    called = _tool_called_event(state, step, verdict, stamp, tool=agent.get_tool(step.tool))
    return called.model_copy(update={"where": location})


def rejected_prefetch(
    state: ThreadState, step: CallTool, reason: str, stamp: EventStamp, *, agent: Agent
) -> ToolCalled:
    """Return a call of a prefetch tool whose arguments could not be prepared; the thread continues without it."""
    return rejected_tool_call(state, step, reason, stamp, agent=agent).model_copy(update={"prefetched": True})


def _delegation_call(
    state: ThreadState, step: AskAgent, stamp: EventStamp, agent: Agent, agents: Mapping[str, Agent]
) -> ToolCalled:
    """Return the call that asks another agent.

    Asking needs no approval, because policy checks every call of the other agent. An agent that waits for an answer
    cannot be asked.
    """
    problem = _delegation_problem(state, step.agent, agent, agents)
    call = CallTool(tool=ASK_AGENT_INTENT, arguments={"agent": step.agent, "message": step.message})
    if problem is not None:
        return rejected_tool_call(state, call, problem, stamp, agent=agent)
    allowed = PolicyDecision(answer="allow", rule="asking an agent needs no approval")
    called = _tool_called_event(state, call, allowed, stamp, tool=None)
    return called.model_copy(update={"effect": "read", "prefetch": agents[step.agent].prefetch})


def _delegation_problem(state: ThreadState, delegate: str, agent: Agent, agents: Mapping[str, Agent]) -> str | None:
    if delegate not in agent.asks or delegate not in agents:
        return f"{agent.name} may not ask {delegate}"
    if delegate in (state.agent, *(earlier.agent for earlier in state.delegations)):
        return f"{delegate} is waiting for an answer itself, so it cannot be asked now"
    return None


def _delegation_result(state: ThreadState, step: DoneForNow | NothingToDo, stamp: EventStamp) -> tuple[KnownEvent, ...]:
    """Return the delegate's final message as the result of the delegating call; people do not get it."""
    text = step.message if isinstance(step, DoneForNow) else step.reason
    result = ToolSucceeded(
        at=stamp.now,
        actor=agent_address(state),
        provenance=Provenance.MODEL,
        call_id=state.delegations[-1].call_id,
        summary=text,
        trusted=state.is_trusted,
    )
    return (result,)


def _finish_events(state: ThreadState, step: DoneForNow | NothingToDo, stamp: EventStamp) -> tuple[KnownEvent, ...]:
    """Return the end of the agent's work, with a reply if a person still waits for one."""
    actor = agent_address(state)
    if isinstance(step, DoneForNow):
        reply = _reply_event(state, step.message, stamp)
        return (reply, ThreadFinished(at=stamp.now, actor=actor, reason="done for now"))
    finished = ThreadFinished(at=stamp.now, actor=actor, reason=step.reason)
    if not _is_reply_due(state):
        return (finished,)
    text = f"There is nothing for me to do here: {step.reason.strip() or 'no reason given'}"
    return (_reply_event(state, text, stamp), finished)


def _wait_events(state: ThreadState, step: Await, stamp: EventStamp) -> tuple[KnownEvent, ...]:
    """Return the timer and, for the first long wait while a person waits for a reply, a notice."""
    fires_at = stamp.now + timedelta(seconds=step.seconds)
    timer = TimerSet(at=stamp.now, actor=agent_address(state), fires_at=fires_at, reason=step.reason)
    if step.seconds < MIN_ANNOUNCED_WAIT_SECONDS or state.delegations or not _is_reply_due(state) or _has_waited(state):
        return (timer,)
    text = (
        f"I will wait until {fires_at:%Y-%m-%d %H:%M} UTC and then continue: {step.reason.strip() or 'no reason given'}"
    )
    return (NoticeGiven(at=stamp.now, actor=agent_address(state), text=text), timer)


def _reply_event(state: ThreadState, text: str, stamp: EventStamp) -> ReplyChosen:
    return ReplyChosen(at=stamp.now, actor=agent_address(state), provenance=Provenance.MODEL, text=text)


def _is_reply_due(state: ThreadState) -> bool:
    """Return whether the last message of a person has no reply yet."""
    last = next((e for e in reversed(state.history) if isinstance(e, MessageReceived | ReplyChosen)), None)
    return isinstance(last, MessageReceived) and last.provenance in _HUMAN_SOURCES


def _has_waited(state: ThreadState) -> bool:
    """Return whether the agent has already waited since the last message."""
    recent = takewhile(lambda event: not isinstance(event, MessageReceived), reversed(state.history))
    return any(isinstance(event, StepChosen) and isinstance(event.step, Await) for event in recent)


def _tool_called_event(
    state: ThreadState,
    step: CallTool,
    policy_decision: PolicyDecision,
    stamp: EventStamp,
    *,
    tool: Tool | None,
    is_prefetch: bool = False,
) -> ToolCalled:
    call_id = f"call_{stamp.new_id}"
    version = tool.version if tool else 0
    return ToolCalled(
        at=stamp.now,
        actor=agent_address(state),
        provenance=Provenance.MODEL,
        call_id=call_id,
        tool=step.tool,
        tool_version=version,
        effect=tool.defaults.effect if tool else "once",
        arguments=step.arguments,
        digest=call_digest(state.thread_id, call_id, step.tool, version, step.arguments),
        verdict=policy_decision.model_copy(update={"ask": None}),  # the request holds the terms
        prefetched=is_prefetch,
        trusted=tool is None or tool.prepare is None or tool.trusted_results,
    )


def _approval_events(
    state: ThreadState, called: ToolCalled, policy_decision: PolicyDecision, stamp: EventStamp
) -> tuple[RequestOpened, ...]:
    if policy_decision.answer != "ask":
        return ()
    fields: dict[str, Any] = called.model_dump(
        include={"call_id", "tool", "tool_version", "effect", "arguments", "digest"}
    )
    return (approval_request(state, CurrentCall(**fields, phase="awaiting_approval"), policy_decision, stamp),)
